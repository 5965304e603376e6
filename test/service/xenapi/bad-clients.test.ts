/** Clients that vanish, send rubbish, or send no end of it: the service answers everybody else, and keeps nothing of them. */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Xapi } from 'xen-api';
import {
  exported,
  firstDifference,
  importRaw,
  MIB,
  sparse,
} from '../../support/xenapi/disk-content.ts';
import { JsonRpc, type RpcFailure } from '../../support/xenapi/json-rpc.ts';
import { createVdi, XenService } from '../../support/xenapi/xen-service.ts';
import { RawClient } from '../../unit/xenapi/transport/raw-client.ts';

/** What the service may grow by while it is fed rubbish. */
const ROOM_BYTES = 64 * MIB;
const DEAD = 'OpaqueRef:11111111-2222-3333-4444-555555555555';

let service: XenService;
let xapi: Xapi;
let sr: string;
beforeAll(async () => {
  service = await XenService.start();
  xapi = await service.connect();
  sr = await service.folderSr(xapi, 'disks');
});
afterAll(() => service?.remove());

const port = (): number => Number(new URL(service.url).port);

function rss(): number {
  const status = readFileSync(`/proc/${service.process.child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

const vdis = (): Promise<string[]> => xapi.getField('SR', sr, 'VDIs');

/** A PUT whose body begins. */
async function beginImport(query: Record<string, string>, length: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: port() });
  socket.on('error', () => undefined);
  const given = new URLSearchParams({ session_id: xapi.sessionId, ...query });
  socket.write(
    `PUT /import_raw_vdi?${given} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`,
  );
  return socket;
}

describe('a client that vanishes in the middle of an import', () => {
  it('leaves no VDI that was made for it', async () => {
    const before = await vdis();
    const task = await xapi.call('task.create', 'vanishing', '');
    const query = { sr_id: sr, task_id: task };
    const socket = await beginImport(query, 64 * MIB);
    socket.write(Buffer.alloc(3 * MIB, 7));
    await expect.poll(async () => (await vdis()).length).toBe(before.length + 1);
    socket.destroy();
    await expect.poll(() => xapi.call('task.get_status', task)).toBe('failure');
    expect((await xapi.call('task.get_error_info', task))[0]).toMatch(/^[A-Z_]+$/);
    await expect.poll(vdis).toEqual(before);
    await xapi.call('task.destroy', task);
  });

  it.each([{}, { chunked: 'true' }])(
    'leaves the VDI that it was writing to usable %o',
    async (more) => {
      const vdi = await createVdi(xapi, { SR: sr, virtual_size: 16 * MIB });
      const task = await xapi.call('task.create', 'vanishing', '');
      const socket = await beginImport({ vdi, task_id: task, ...more }, 16 * MIB);
      const head = Buffer.alloc('chunked' in more ? 12 : 0);
      if (head.length > 0) head.writeUInt32LE(8 * MIB, 8);
      socket.write(Buffer.concat([head, Buffer.alloc(3 * MIB, 7)]));
      await expect.poll(() => xapi.getField('VDI', vdi, 'current_operations')).not.toEqual({});
      socket.destroy();
      await expect.poll(() => xapi.call('task.get_status', task)).toBe('failure');
      await expect.poll(() => xapi.getField('VDI', vdi, 'current_operations')).toEqual({});
      const content = sparse(16 * MIB);
      await importRaw(xapi, vdi, content);
      expect(firstDifference(await exported(xapi, vdi, 'raw'), content)).toBe('none');
      await xapi.callAsync('VDI.destroy', vdi);
    },
  );

  it('ends an export that nobody takes', async () => {
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: 64 * MIB });
    await importRaw(xapi, vdi, Buffer.alloc(64 * MIB, 'export'));
    const task = await xapi.call('task.create', 'vanishing', '');
    const query = new URLSearchParams({ session_id: xapi.sessionId, vdi, task_id: task });
    const socket = connect({ host: '127.0.0.1', port: port() });
    socket.on('error', () => undefined);
    socket.write(`GET /export_raw_vdi?${query} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    socket.destroy();
    await expect.poll(() => xapi.call('task.get_status', task)).toBe('failure');
    await expect
      .poll(() =>
        xapi.callAsync('VDI.destroy', vdi).then(
          () => 'gone',
          () => 'in use',
        ),
      )
      .toBe('gone');
  });
});

describe('a body', () => {
  it('that is half sent holds up nobody, and costs little', async () => {
    const before = rss();
    const clients = Array.from({ length: 200 }, () =>
      new RawClient(port()).send(
        'POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n{"jsonrpc":"2.0","id":1,',
      ),
    );
    expect(await xapi.call('pool.get_all')).toHaveLength(1);
    for (const client of clients) client.socket.destroy();
    expect(rss() - before).toBeLessThan(ROOM_BYTES);
  });

  it.each(['/', '/RPC2', '/jsonrpc'])('that is too large is refused on %s', async (path) => {
    const before = rss();
    const announced = new RawClient(port()).send(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${10 ** 12}\r\n\r\n`,
    );
    const piece = 'x'.repeat(MIB);
    for (let sent = 0; sent < 32 && !announced.closed; sent += 1) announced.send(piece);
    expect(await announced.untilReceived('\r\n\r\n')).toMatch(/^HTTP\/1.1 [45]\d\d /);
    announced.socket.destroy();
    expect(rss() - before).toBeLessThan(ROOM_BYTES);
    expect(await xapi.call('pool.get_all')).toHaveLength(1);
  });

  it('with entities that multiply is refused, and not expanded', async () => {
    const before = rss();
    const lines = Array.from(
      { length: 20 },
      (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`,
    );
    const bomb = `<?xml version="1.0"?><!DOCTYPE m [<!ENTITY e0 "boom">${lines.join('')}]>
<methodCall><methodName>session.login_with_password</methodName><params><param><value>&e20;</value></param></params></methodCall>`;
    const response = await fetch(`${service.url}/`, { method: 'POST', body: bomb });
    expect(response.status).toBe(500);
    await response.arrayBuffer();
    expect(rss() - before).toBeLessThan(ROOM_BYTES);
  });

  it.each([
    [
      'XML',
      '/',
      `<methodCall><methodName>x</methodName><params><param>${'<value><array><data>'.repeat(5000)}`,
    ],
    [
      'JSON',
      '/jsonrpc',
      `{"method":"x","id":1,"params":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    ],
    ['no XML', '/', 'hello'],
    ['no JSON', '/jsonrpc', 'hello'],
    ['an empty body', '/', ''],
    ['bytes that are no text', '/jsonrpc', '\u0000\u0001\u0002'],
  ])('of %s is refused', async (_name, path, body) => {
    const response = await fetch(`${service.url}${path}`, { method: 'POST', body });
    expect(response.status).toBe(500);
    await response.arrayBuffer();
    expect(await xapi.call('pool.get_all')).toHaveLength(1);
  });
});

describe('a call', () => {
  /** They would end the session, wait for long, or are answered whatever is said. */
  const APART = /^(session\.|event\.(next|from)$|system\.)/;

  /** @returns what is wrong with how it failed */
  async function complaint(
    call: (method: string, ...params: readonly unknown[]) => Promise<unknown>,
    method: string,
    ...params: readonly unknown[]
  ): Promise<string[]> {
    try {
      await call(method, ...params);
      return [];
    } catch (error) {
      const { code, params: said } = error as RpcFailure;
      const isOne = typeof code === 'string' && Array.isArray(said);
      if (!isOne) return [`${method}: ${String(error)}`];
      const texts = said.every((part) => typeof part === 'string');
      const slip = /undefined|not a function|Cannot read|TypeError|\n {4}at /.test(said.join(' '));
      return texts && !slip ? [] : [`${method}: ${code} ${JSON.stringify(said)}`];
    }
  }

  it.each(['json-rpc', 'xml-rpc'] as const)(
    'that is wrong in every way is refused well by %s',
    async (transport) => {
      const client = await service.connect({ transport, watchEvents: false });
      const call = client.call.bind(client);
      const rpc = new JsonRpc(service.url, 2);
      const methods: string[] = (await rpc.bare('system.listMethods')).filter(
        (name: string) => !APART.test(name),
      );
      expect(methods.length).toBeGreaterThan(300);
      const before = await vdis();
      const wrong: string[] = [];
      const values = [DEAD, true, 1.5, ['x'], { x: 'y' }, ''];
      for (const method of methods) {
        for (const count of [0, 1, 2, 3, 9, 20]) {
          const params = Array.from({ length: count }, (_, i) =>
            i === 0 ? DEAD : values[(i + count) % values.length],
          );
          // Whatever has nothing to complain of does nothing either: what it names is dead.
          if (count === 0 && !method.includes('.get_')) continue;
          wrong.push(...(await complaint(call, method, ...params)));
        }
      }
      expect(wrong).toEqual([]);
      expect(await vdis()).toEqual(before);
      await client.disconnect();
    },
  );

  it('is told which count was expected, and which ref is dead', async () => {
    const call = xapi.call.bind(xapi);
    for (const [method, params, code, said] of [
      ['VDI.resize', [DEAD], 'MESSAGE_PARAMETER_COUNT_MISMATCH', ['VDI.resize', '2', '1']],
      ['VDI.resize', [DEAD, 1, 2], 'MESSAGE_PARAMETER_COUNT_MISMATCH', ['VDI.resize', '2', '3']],
      ['VDI.resize', [DEAD, MIB], 'HANDLE_INVALID', ['VDI', DEAD]],
      ['VDI.snapshot', [DEAD, {}, 'surplus'], 'HANDLE_INVALID', ['VDI', DEAD]],
      ['SR.scan', [DEAD], 'HANDLE_INVALID', ['SR', DEAD]],
      ['PBD.plug', [DEAD], 'HANDLE_INVALID', ['PBD', DEAD]],
      ['task.cancel', [DEAD], 'HANDLE_INVALID', ['task', DEAD]],
      ['event.inject', ['VDI', DEAD], 'HANDLE_INVALID', ['VDI', DEAD]],
      ['VDI.nothing', [DEAD], 'MESSAGE_METHOD_UNKNOWN', ['VDI.nothing']],
    ] as const) {
      await expect(call(method, ...params), method).rejects.toMatchObject({ code, params: said });
    }
    await expect(xapi.call('VDI.resize', DEAD, 'no number')).rejects.toMatchObject({
      code: 'INTERNAL_ERROR',
    });
    const stranger = new JsonRpc(service.url, 2);
    await expect(stranger.bare('VDI.nothing', DEAD)).rejects.toMatchObject({
      ...{ code: 'SESSION_INVALID', params: [DEAD] },
    });
  });

  it('of thousands at once is answered, all of them', async () => {
    const before = rss();
    const rpc = new JsonRpc(service.url, 2);
    rpc.session = xapi.sessionId;
    const answers = await Promise.all(
      Array.from({ length: 2000 }, () => rpc.call('host.get_all_records')),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(Object.keys(answer)))).size).toBe(1);
    expect(rss() - before).toBeLessThan(4 * ROOM_BYTES);
  });
});
