/**
 * Xen Orchestra's NBD client (@vates/nbd-client) reads disks as `VDI.get_nbd_info` names them, from our NBD server:
 * NBD_OPT_EXPORT_NAME with the 124 zeroes behind it, READ and DISC, many requests in flight, plain and TLS.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import NbdClient from '@vates/nbd-client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import {
  type ConnectionInfo,
  createNbdServer,
  type NbdServer,
  type TlsSettings,
} from '../../../src/nbd/index.ts';
import { randomContent } from '../../support/content.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { makeTlsFiles } from '../../support/nbd-tls-files.ts';
import { describeWith, program } from '../../support/requires.ts';
import { until } from '../../support/until.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const MIB = 1024 * 1024;
/** The last block of the client is a short one. */
const SIZE = 9 * MIB + 12 * 1024 + 512;
const BLOCK = 2 * MIB;
const SECRET = '5d5c2b1e-3a52-4f6c-9f7e-5a0d8c3b7a11';
const SESSION = `OpaqueRef:${SECRET}`;

interface Served {
  readonly rig: VolumeRig;
  readonly server: NbdServer;
  readonly port: number;
  /** All that the server says to its log, at every level. */
  readonly log: string[];
  readonly connections: ConnectionInfo[];
}

const open: Served[] = [];

async function serve(tls?: TlsSettings): Promise<Served> {
  const rig = await VolumeRig.open({ arrays: { one: new MemoryArray() } });
  await rig.createVolume('one', 'v', SIZE);
  rig.resolver = ({ uuid, session }) => {
    if (session !== SESSION) throw new Fault('PERMISSION_DENIED', `no session ${session}`);
    if (uuid === 'v') return { disk: rig.volume('v') };
    return rig.catalog.snapshots.byId(uuid) && { disk: rig.snapshotName(uuid) };
  };
  const log: string[] = [];
  const connections: ConnectionInfo[] = [];
  const say = (...told: unknown[]): void => void log.push(told.map(textOf).join(' '));
  const server = createNbdServer({
    exports: { list: async () => [], open: (name) => rig.connect(name) },
    ...(tls === undefined ? {} : { tls }),
    log: { debug: say, info: say, warn: say, error: say },
    onConnection: (info) => connections.push(info),
    onDisconnection: (info) => connections.push(info),
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  const port = address !== undefined && 'port' in address ? address.port : 0;
  const served = { rig, server, port, log, connections };
  open.push(served);
  return served;
}

function textOf(value: unknown): string {
  if (value instanceof Error) return `${value.stack} ${JSON.stringify(value)}`;
  return JSON.stringify(value, (_, inner: unknown) =>
    inner instanceof Error ? textOf(inner) : typeof inner === 'bigint' ? String(inner) : inner,
  );
}

afterEach(async () => {
  for (const { rig, server, log, connections } of open.splice(0)) {
    await server.drain(5000);
    expect(rig.troubles).toEqual([]);
    await rig.close();
    // The session is a secret, whatever went well or wrong.
    const told = [...log, ...connections.map((one) => JSON.stringify(one))].join('\n');
    expect(told).not.toContain(SECRET);
    expect(told).not.toBe('');
  }
});

const exportname = (uuid: string): string => `/${uuid}?session_id=${SESSION}`;

/** The whole disk, all blocks in flight at once. */
async function readWhole(client: NbdClient, block = BLOCK): Promise<Buffer> {
  const count = Math.ceil(Number(client.exportSize) / block);
  const parts = Array.from({ length: count }, (_, index) => client.readBlock(index, block));
  return Buffer.concat(await Promise.all(parts));
}

async function write(rig: VolumeRig, content: Buffer): Promise<void> {
  await rig.withExport('volume/one/v', async (device) => {
    const most = device.geometry.maximumIo;
    for (let at = 0; at < content.length; at += most) {
      await device.write(content.subarray(at, at + most), at, PLAIN);
    }
  });
}

async function readsEverything(served: Served, cert?: string): Promise<void> {
  const { rig, port } = served;
  const content = randomContent(SIZE);
  await write(rig, content);
  await rig.snapshot({ v: 'snap' });
  await write(rig, randomContent(SIZE));
  const info = { address: '127.0.0.1', port, exportname: exportname('snap') };
  const client = new NbdClient({ ...info, ...(cert === undefined ? {} : { cert }) });
  await client.connect();
  expect(client.exportSize).toBe(BigInt(SIZE));
  expect(served.connections.at(-1)).toMatchObject({ exportName: '/snap', tls: cert !== undefined });
  for (const block of [BLOCK, 64 * 1024]) {
    expect((await readWhole(client, block)).equals(content)).toBe(true);
  }
  await client.disconnect();
  await until('the client has left', () => served.server.connections().length === 0);
  expect(rig.disks.users(rig.snapshotName('snap'))).toEqual([]);
}

describe('@vates/nbd-client', () => {
  test('reads a snapshot whole, with all its blocks in flight', async () => {
    await readsEverything(await serve());
  });

  test('reads a volume as it is now, while another connection writes it', async () => {
    const { rig, port } = await serve();
    const writer = await rig.connect('volume/one/v', 1);
    const info = { address: '127.0.0.1', port, exportname: exportname('v') };
    const client = new NbdClient(info);
    await client.connect();
    for (const byte of [1, 2, 3]) {
      await writer.device.write(Buffer.alloc(64 * 1024, byte), 0, PLAIN);
      const read = await client.readBlock(0, 64 * 1024);
      expect(read.equals(Buffer.alloc(64 * 1024, byte))).toBe(true);
      await rig.snapshot({ v: `s${byte}` });
    }
    await client.disconnect();
    await writer.close();
  });

  test('is let in by a session only, and goes on when that ends', async () => {
    const { rig, port } = await serve();
    await write(rig, randomContent(SIZE));
    const at = { address: '127.0.0.1', port };
    for (const name of [`/v?session_id=OpaqueRef:${SECRET}x`, '/v', exportname('nothing')]) {
      await expect(new NbdClient({ ...at, exportname: name }).connect()).rejects.toThrow();
    }
    const client = new NbdClient({ ...at, exportname: exportname('v') }, { readBlockRetries: 1 });
    await client.connect();
    rig.resolver = () => {
      throw new Fault('PERMISSION_DENIED', 'the session has ended');
    };
    expect(await client.readBlock(0, 4096)).toHaveLength(4096);
    await client.disconnect();
  });
});

describeWith([program('certtool', 'gnutls-bin')], '@vates/nbd-client with TLS', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rootcast-vates-'));
    makeTlsFiles(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const tls = (mode: 'allowed' | 'required'): TlsSettings => ({
    mode,
    x509: {
      cert: file('server-cert.pem'),
      key: file('server-key.pem'),
      clientCertificates: 'none',
    },
  });

  test.each(['allowed', 'required'] as const)('reads a snapshot whole (TLS %s)', async (mode) => {
    await readsEverything(await serve(tls(mode)), file('server-cert.pem'));
  });

  test('an empty certificate asks for TLS as well', async () => {
    await readsEverything(await serve(tls('required')), '');
  });

  test('without TLS nothing is read where it is required', async () => {
    const { port } = await serve(tls('required'));
    const info = { address: '127.0.0.1', port, exportname: exportname('v') };
    await expect(new NbdClient(info).connect()).rejects.toThrow();
  });
});
