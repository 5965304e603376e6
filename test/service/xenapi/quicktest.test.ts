/** The quicktest suites over every wire of the service: JSON-RPC in both versions, and XML-RPC by xen-api. */
import { Xapi } from 'xen-api';
import { ServiceProcess } from '../../support/service-process.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { chunked } from '../../support/xenapi/disk-content.ts';
import { JsonRpc, RpcFailure } from '../../support/xenapi/json-rpc.ts';
import type { ImageFormat, QuicktestClient } from '../../unit/xenapi/quicktest/client.ts';
import { quicktest } from '../../unit/xenapi/quicktest/quicktest.ts';

interface Wire {
  call(method: string, ...parameters: readonly unknown[]): Promise<unknown>;
  readonly session: string;
  close(): Promise<void>;
}

type Connect = (service: ServiceProcess) => Promise<Wire>;

/** Maps are structs on every wire. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
}

async function clientOver(connect: Connect): Promise<QuicktestClient> {
  const folder = await temporaryFolder('xen-quicktest');
  const service = await ServiceProcess.start();
  await service.json(
    'repository',
    'create',
    'r',
    '--kind',
    'local',
    '--set',
    `path=${folder.path}`,
  );
  const wire = await connect(service);
  const call: QuicktestClient['call'] = (method, ...given) =>
    wire.call(method, ...given.map(plain));
  const [sr = ''] = (await call('SR.get_by_name_label', 'r')) as readonly string[];
  const [host = ''] = (await call('host.get_all')) as readonly string[];
  const url = (path: string, query: Readonly<Record<string, string>>): string =>
    `${service.xenapi}${path}?${new URLSearchParams({ session_id: wire.session, ...query })}`;
  const put = async (query: Readonly<Record<string, string>>, body: Buffer): Promise<void> => {
    const task = String(await call('task.create', 'import', ''));
    const given = url('/import_raw_vdi', { ...query, task_id: task });
    const answer = await fetch(given, { method: 'PUT', body: Uint8Array.from(body) });
    await answer.arrayBuffer();
    await until('it is imported', async () => (await call('task.get_status', task)) !== 'pending');
    const status = await call('task.get_status', task);
    if (status !== 'success') throw new Error(String(await call('task.get_error_info', task)));
    await call('task.destroy', task);
  };
  const get = async (query: Readonly<Record<string, string>>): Promise<Buffer> => {
    const answer = await fetch(url('/export_raw_vdi', query));
    if (!answer.ok) throw new Error(`an export ended with ${answer.status}`);
    return Buffer.from(await answer.arrayBuffer());
  };
  return {
    ...{ call, sr, host },
    failureOf: (error) => {
      if (error instanceof RpcFailure) return [error.code, ...error.params.map(String)];
      const { code, params } = error as { readonly code?: unknown; readonly params?: unknown };
      return typeof code === 'string' && Array.isArray(params) ? [code, ...params] : undefined;
    },
    read: async (vdi, offset, length) =>
      (await get({ vdi, format: 'raw' })).subarray(offset, offset + length),
    write: (vdi, offset, data) =>
      put({ vdi, format: 'raw', chunked: 'true' }, chunked([{ offset, data }])),
    images: {
      export: (vdi, format: ImageFormat, base) =>
        get({ vdi, format, ...(base === undefined ? {} : { base }) }),
      import: (vdi, format, image) => put({ vdi, format }, image),
    },
    close: async () => {
      await wire.close();
      await service.remove();
      await folder.remove();
    },
  };
}

const overJson =
  (version: 1 | 2): Connect =>
  async (service) => {
    const rpc = new JsonRpc(service.xenapi, version);
    await rpc.login('root', service.token);
    return {
      call: (method, ...given) => rpc.call(method, ...given),
      session: rpc.session,
      close: async () => void (await rpc.call('session.logout')),
    };
  };

const overXml: Connect = async (service) => {
  const xapi = new Xapi({
    url: service.xenapi,
    auth: { user: 'root', password: service.token },
    transport: 'xml-rpc',
    watchEvents: false,
  });
  await xapi.connect();
  return {
    call: (method, ...given) => xapi.call(method, ...given),
    session: xapi.sessionId,
    close: () => xapi.disconnect(),
  };
};

const ALL = { images: true, tasks: true };
quicktest('JSON-RPC 2.0', ALL, () => clientOver(overJson(2)));
quicktest('JSON-RPC 1.0', ALL, () => clientOver(overJson(1)));
quicktest('XML-RPC', ALL, () => clientOver(overXml));
