import { execFile } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type ApiType,
  map,
  oneOf,
  option,
  record,
  ref,
  STRING_MAP,
  set,
} from '../../../src/xenapi/datamodel/description.ts';
import type { Dispatch } from '../../../src/xenapi/transport/dispatch-port.ts';
import { transportRoutes } from '../../../src/xenapi/transport/routes.ts';
import { unmarshal } from '../../../src/xenapi/wire/unmarshal.ts';
import { XenError } from '../../../src/xenapi/xen-error.ts';
import { describeWith, program } from '../../support/requires.ts';
import { SEED } from '../../support/seed.ts';

const RECORD = record('r', { name: 'string', size: 'int', at: option('datetime') });

const TYPES: ReadonlyMap<string, ApiType> = new Map<string, ApiType>([
  ['echo.string', 'string'],
  ['echo.int', 'int'],
  ['echo.int32', 'int32'],
  ['echo.float', 'float'],
  ['echo.floats', set('float')],
  ['echo.bool', 'bool'],
  ['echo.datetime', 'datetime'],
  ['echo.void', 'void'],
  ['echo.enum', oneOf('vdi_type', ['system', 'user'])],
  ['echo.set', set('string')],
  ['echo.map', STRING_MAP],
  ['echo.record', RECORD],
  ['echo.records', map(ref('VDI'), RECORD)],
]);

const TEXT = `<a b="c"> & 'é✓😀' \t\n \\ ]]> &amp;`;

const echo: Dispatch = async ({ method, parameters: [value = null] }) => {
  if (method === 'fail') throw new XenError('HANDLE_INVALID', ['VDI', TEXT]);
  if (method === 'system.listMethods') {
    return { type: set('string'), value: ['echo.string', 'fail'] };
  }
  if (method === 'long') return { type: set('string'), value: Array(20_000).fill(TEXT) };
  const type = TYPES.get(method);
  if (type === undefined) throw new XenError('MESSAGE_METHOD_UNKNOWN', [method]);
  return { type, value: unmarshal(type, value, 'value') };
};

describeWith([program('python3', 'python3')], 'Python’s own XML-RPC client', () => {
  let app: FastifyInstance;
  beforeAll(async () => {
    app = fastify({ logger: false, forceCloseConnections: true });
    transportRoutes(app, { dispatch: echo, product: 'Rootcast' });
    await app.listen({ host: '127.0.0.1', port: 0 });
  });
  afterAll(() => app.close());

  it('and JSON-RPC get every value as what the datamodel says that it is', async () => {
    const script = new URL('xmlrpc-client.py', import.meta.url).pathname;
    const address = app.server.address() as AddressInfo;
    const port = String(address.port);
    const { stdout } = await promisify(execFile)('python3', [script, port, String(SEED)]);
    expect(Number(stdout)).toBeGreaterThan(60);
  });
});
