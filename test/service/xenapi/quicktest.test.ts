/**
 * The behaviours of xapi's quicktest (reference section 6) over the wires of the real service: XML-RPC as `xen-api` speaks
 * it, and both JSON-RPCs. Blocks are read by NBD and written by `chunked` imports; images go over HTTP.
 */
import NbdClient, { type NbdInfo } from '@vates/nbd-client';
import { afterAll, beforeAll, expect } from 'vitest';
import { exported, writeParts } from '../../support/xenapi/disk-content.ts';
import { JsonRpc } from '../../support/xenapi/json-rpc.ts';
import { XenService } from '../../support/xenapi/xen-service.ts';
import type { QuicktestClient } from '../../unit/xenapi/quicktest/client.ts';
import { quicktest } from '../../unit/xenapi/quicktest/quicktest.ts';

/** Read at once by NBD. */
const UNIT = 64 * 1024;

type Call = (method: string, ...params: readonly unknown[]) => Promise<unknown>;

let service: XenService;
beforeAll(async () => {
  service = await XenService.start();
});
afterAll(() => service?.remove());

async function overXml(): Promise<QuicktestClient> {
  const xapi = await service.connect({ transport: 'xml-rpc', watchEvents: false });
  return clientOf((method, ...params) => xapi.call(method, ...params));
}

async function overJson(version: 1 | 2): Promise<QuicktestClient> {
  const rpc = new JsonRpc(service.url, version);
  await rpc.login('root', service.credentials.password);
  return clientOf((method, ...params) => rpc.call(method, ...params));
}

/** What a Map is on the wire. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

async function clientOf(wire: Call): Promise<QuicktestClient> {
  const call: Call = (method, ...params) => wire(method, ...params.map(plain));
  const xapi = await service.connect(); // transfers, with their tasks
  return {
    call,
    failureOf: (error) => {
      const { code, params } = error as { code?: string; params?: readonly string[] };
      return typeof code === 'string' && Array.isArray(params) ? [code, ...params] : undefined;
    },
    sr: await service.folderSr(xapi, 'quicktest'),
    host: xapi.pool['master'],
    read: (vdi, offset, length) => readByNbd(call, vdi, offset, length),
    write: (vdi, offset, data) => writeParts(xapi, vdi, [{ offset, data }]),
    images: {
      export: (vdi, format, base) => exported(xapi, vdi, format, base),
      import: async (vdi, format, image) => {
        const query = { vdi, format };
        expect(await xapi.putResource(image, '/import_raw_vdi/', { query })).toBe(vdi);
      },
    },
    close: () => xapi.disconnect(),
  };
}

async function readByNbd(call: Call, vdi: string, offset: number, length: number): Promise<Buffer> {
  const [info] = (await call('VDI.get_nbd_info', vdi)) as readonly NbdInfo[];
  if (info === undefined) throw new Error('no NBD');
  const client = new NbdClient({ ...info, port: Number(info.port) });
  await client.connect();
  const first = Math.floor(offset / UNIT);
  const blocks: Buffer[] = [];
  for (let index = first; index * UNIT < offset + length; index += 1) {
    blocks.push(await client.readBlock(index, UNIT));
  }
  await client.disconnect();
  const start = offset - first * UNIT;
  return Buffer.concat(blocks).subarray(start, start + length);
}

const ALL = { images: true, tasks: true };
/** Images go the same way whatever the calls go. */
const CALLS = { images: false, tasks: true };
quicktest('XML-RPC', ALL, overXml);
quicktest('JSON-RPC 1.0', CALLS, () => overJson(1));
quicktest('JSON-RPC 2.0', CALLS, () => overJson(2));
