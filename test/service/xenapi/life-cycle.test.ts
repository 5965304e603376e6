/** XenAPI begins and ends with the service: what waits, what runs, what a client knows afterwards; and its listener. */
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type ClientRequest, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectNbd } from '../../../src/nbd/client/index.ts';
import { makeTlsFiles } from '../../support/nbd-tls-files.ts';
import { describeWith, program, slow } from '../../support/requires.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { JsonRpc } from '../../support/xenapi/json-rpc.ts';
import { RawClient } from '../../unit/xenapi/transport/raw-client.ts';

const SIZE = 8 * 2 ** 20;
const READS = 512;
/** Far more than the service takes, and less than Node.js waits for a TLS handshake by itself. */
const STOP_PATIENCE_MS = 90_000;

type Folder = Awaited<ReturnType<typeof temporaryFolder>>;

async function loggedIn(service: ServiceProcess): Promise<JsonRpc> {
  const rpc = new JsonRpc(service.xenapi, 2);
  await rpc.login('root', service.token);
  return rpc;
}

/** As VDI.get_nbd_info names it. */
function diskUri(service: ServiceProcess, uuid: string, session: string): string {
  return service.uri(encodeURIComponent(`/${uuid}?session_id=${session}`));
}

/** Half of an image, of which the rest never comes. Resolves when it is let in. */
async function beginImport(url: string): Promise<ClientRequest> {
  const importing = httpRequest(url, { method: 'PUT', headers: { 'content-length': SIZE } });
  importing.on('error', () => {}); // cut off is what is wanted
  importing.write(Buffer.alloc(SIZE / 2, 7));
  const [response] = await once(importing, 'response');
  expect(response.statusCode).toBe(200);
  response.resume();
  response.on('error', () => {});
  return importing;
}

/** However it ended. */
function closed(importing: ClientRequest): Promise<unknown> {
  return new Promise((resolve) => importing.once('close', resolve));
}

describe('the end of the service, and the next start', () => {
  let folder: Folder;
  let service: ServiceProcess;
  let rpc: JsonRpc;
  let sr: string;
  let vdi: string;

  beforeEach(async () => {
    folder = await temporaryFolder('xen-life');
    service = await ServiceProcess.start();
    const path = `path=${folder.path}`;
    await service.json('repository', 'create', 'r', '--kind', 'local', '--set', path);
    await service.json('volume', 'create', 'r/v', '--size', '8m');
    rpc = await loggedIn(service);
    [sr = ''] = await rpc.call('SR.get_by_name_label', 'r');
    [vdi = ''] = await rpc.call('VDI.get_by_name_label', 'v');
  });

  afterEach(async () => {
    await service.remove();
    await folder.remove();
  });

  async function restart(): Promise<void> {
    service = await ServiceProcess.start({ data: service.data });
    rpc = await loggedIn(service);
  }

  test('who waits for events is let go, imports end, and nothing of either is left', async () => {
    await service.json('volume', 'create', 'r/w', '--size', '8m');
    const [other = ''] = (await rpc.call('VDI.get_by_name_label', 'w')) as string[];
    const read = await rpc.call('VDI.get_uuid', other);
    const { token } = await rpc.call('event.from', ['*'], '', 5);
    const url = `${service.xenapi}/import_raw_vdi?session_id=${rpc.session}`;
    const imports = [
      await beginImport(`${url}&vdi=${vdi}`),
      await beginImport(`${url}&sr_id=${sr}`),
    ];
    const ended = imports.map(closed);
    await until('both are under way', async () => {
      const tasks = Object.values<{ status: string }>(await rpc.call('task.get_all_records'));
      return tasks.filter(({ status }) => status === 'pending').length === 2;
    });
    expect(await rpc.call('VDI.get_all')).toHaveLength(3);
    const waiting = rpc.call('event.from', ['VM'], token, 3600).catch((error: unknown) => error);
    await rpc.call('pool.get_all');
    // Somebody reads another disk by NBD, as a backup does: what was asked is answered or refused, and none of it lost.
    const nbd = await connectNbd(diskUri(service, read, rpc.session));
    const reads = Array.from({ length: READS }, (_, number) =>
      nbd.read(Buffer.alloc(4096), number * 4096),
    );
    await reads[0];
    const settled = Promise.allSettled(reads);
    expect(await service.stop()).toBe(0);
    for (const one of await settled) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ name: 'BlockError' });
    }
    // Its session has ended, or the connection before that was told.
    const answer = await waiting;
    if (!(answer instanceof TypeError)) expect(answer).toMatchObject({ code: 'SESSION_INVALID' });
    await Promise.all(ended);
    await restart();
    const tasks = Object.values<{ status: string }>(await rpc.call('task.get_all_records'));
    expect(tasks.filter(({ status }) => status === 'pending')).toEqual([]);
    expect((await rpc.call('VDI.get_all')).sort()).toEqual([vdi, other].sort());
    expect(await rpc.call('VDI.get_current_operations', vdi)).toEqual({});
    await until('its repository is attached again', async () => {
      const [pbd] = (await rpc.call('SR.get_PBDs', sr)) as string[];
      return rpc.call('PBD.get_currently_attached', pbd);
    });
    await rpc.call('VDI.destroy', vdi);
  });

  test('refs and uuids are the same after a restart; events before it are lost, sessions have ended', async () => {
    const snapshot = await rpc.call('VDI.snapshot', vdi);
    await rpc.call('VDI.add_to_other_config', vdi, 'key', 'value');
    const classes = ['pool', 'host', 'SR', 'PBD', 'VDI', 'SM', 'VM'];
    const identities = async (): Promise<Record<string, unknown>> => {
      const found: Record<string, unknown> = {};
      for (const name of classes) {
        const records: Record<string, { uuid: string }> = await rpc.call(`${name}.get_all_records`);
        found[name] = Object.entries(records)
          .map(([ref, { uuid }]) => `${ref} ${uuid}`)
          .sort();
      }
      return found;
    };
    const before = await identities();
    expect(before['VDI']).toHaveLength(2);
    const { token } = await rpc.call('event.from', ['*'], '', 5);
    const { session } = rpc;
    expect(await service.stop()).toBe(0);
    await restart();
    expect(await identities()).toEqual(before);
    expect(await rpc.call('VDI.get_snapshot_of', snapshot)).toBe(vdi);
    expect(await rpc.call('VDI.get_other_config', vdi)).toEqual({ key: 'value' });
    await expect(rpc.call('event.from', ['*'], token, 5)).rejects.toMatchObject({
      code: 'EVENTS_LOST',
    });
    await expect(rpc.bare('VDI.get_all', session)).rejects.toMatchObject({
      code: 'SESSION_INVALID',
      params: [session],
    });
  });

  test('it is off when it is off: nothing listens for it, and NBD knows no disk by its uuid', async () => {
    const uuid = await rpc.call('VDI.get_uuid', vdi);
    await service.stop();
    service = await ServiceProcess.start({ data: service.data, arguments: ['--xenapi', 'off'] });
    expect(service.xenapi).toBe('');
    const told = JSON.parse(readFileSync(join(service.data, 'server.json'), 'utf8'));
    expect(told).not.toHaveProperty('xenapi');
    const ports = [Number(new URL(service.http).port), service.nbdPort];
    // Each worker listens for NBD.
    expect([...new Set(listeningPorts(told.pid))].sort()).toEqual(ports.sort());
    await expect(connectNbd(diskUri(service, uuid, 'x'))).rejects.toMatchObject({
      code: 'EXPORT_NOT_FOUND',
    });
  });
});

/** TCP ports that a process listens on. */
function listeningPorts(pid: number): readonly number[] {
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => readLink(`/proc/${pid}/fd/${fd}`));
  const sockets = new Set(files.map((file) => /^socket:\[(\d+)\]$/.exec(file)?.[1]));
  const tables = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8'));
  return tables.flatMap((table) =>
    table
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === '0A' && sockets.has(inode))
      .map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16)),
  );
}

/** @returns '' when it was closed meanwhile */
function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

// Node looks at the heads of requests every half a minute.
describeWith([slow()], 'a client that sends a byte a second', () => {
  let service: ServiceProcess;

  beforeAll(async () => {
    service = await ServiceProcess.start();
  });
  afterAll(() => service.remove());

  test('is cut off before the head of its request has come', async () => {
    const client = new RawClient(Number(new URL(service.xenapi).port));
    const bytes = `POST /jsonrpc HTTP/1.1\r\nx: ${'y'.repeat(10_000)}`;
    let sent = 0;
    const timer = setInterval(() => {
      client.send(bytes.charAt(sent));
      sent += 1;
    }, 1000);
    try {
      await client.untilClosed();
    } finally {
      clearInterval(timer);
      client.socket.destroy();
    }
    expect(client.received).toMatch(/^HTTP\/1\.1 408 /);
    const rpc = await loggedIn(service);
    expect(await rpc.call('pool.get_all')).toHaveLength(1);
  });
});

describeWith([program('certtool', 'gnutls-bin')], 'a listener with a certificate', () => {
  let folder: Folder;
  let service: ServiceProcess;
  let port: number;
  const path = (name: string): string => join(folder.path, name);

  beforeAll(async () => {
    folder = await temporaryFolder('xen-tls');
    makeTlsFiles(folder.path);
    const certificate = ['--xenapi-tls-certificate', path('server-cert.pem')];
    const key = ['--xenapi-tls-key', path('server-key.pem')];
    service = await ServiceProcess.start({ arguments: [...certificate, ...key] });
    port = Number(new URL(service.xenapi).port);
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  test('serves who trusts its authority, and nobody else gets through', async () => {
    expect(new URL(service.xenapi).protocol).toBe('https:');
    const ca = readFileSync(path('ca-cert.pem'));
    const login = { method: 'session.login_with_password', params: ['root', service.token], id: 1 };
    expect(await post({ port, ca, body: login })).toMatchObject({
      result: expect.stringMatching(/^OpaqueRef:/),
      error: null,
    });
    await expect(post({ port, body: login })).rejects.toThrow(/certificate/);
  });

  test('lets go of who speaks plain HTTP to it at once', async () => {
    const client = new RawClient(port).send('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await client.untilClosed()).not.toContain('HTTP/1.1 200');
  });

  test('does not hold up the end of the service for who says nothing, or not all', async () => {
    const silent = connect(port, '127.0.0.1');
    await once(silent, 'connect');
    const half = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    for (const socket of [silent, half]) socket.on('error', () => {});
    await once(half, 'secureConnect');
    half.write('POST /jsonrpc HTT');
    let exit: unknown;
    void service.stop().then((code) => {
      exit = code;
    });
    try {
      await until('it has left', () => exit !== undefined, STOP_PATIENCE_MS);
    } finally {
      for (const socket of [silent, half]) socket.destroy();
    }
    expect(exit).toBe(0);
  });
});

interface Post {
  readonly port: number;
  readonly ca?: Buffer;
  readonly body: object;
}

/** A JSON-RPC call over TLS. */
async function post({ port, ca, body }: Post): Promise<unknown> {
  const to = { host: 'localhost', port, path: '/jsonrpc', method: 'POST', agent: false };
  const request = httpsRequest({ ...to, ...(ca === undefined ? {} : { ca }) });
  request.on('error', () => {}); // `once` tells the first
  request.end(JSON.stringify(body));
  const [response] = await once(request, 'response');
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString());
}
