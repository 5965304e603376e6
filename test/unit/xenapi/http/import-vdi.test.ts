import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FaultyDevice, MemoryDevice } from '../../../../src/block/index.ts';
import { seededRandom } from '../../../support/seed.ts';
import { until } from '../../../support/until.ts';
import { contentOf, dirty, expectSame, exported, M, memoryOf } from '../images/transfers.ts';
import {
  answerOn,
  ask,
  dial,
  headOf,
  type ImageServer,
  imageServer,
  type RawAnswer,
} from './image-server.ts';
import { type MemoryTask, type MemoryVdi, SR } from './memory-image-port.ts';

let server: ImageServer;
let session: string;
let vdi: MemoryVdi;
let task: MemoryTask;

const random = seededRandom();
const CONTENT = Buffer.alloc(5 * M + 512);
for (let at = M; at < 3 * M; at += 4) CONTENT.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
const RUBBISH = contentOf(dirty(CONTENT.length));
const PEBIBYTE = String(2 ** 50);

beforeAll(async () => {
  server = await imageServer();
});
afterAll(() => server.close());
beforeEach(() => {
  const { port } = server;
  port.vdis.clear();
  port.tasks.clear();
  port.opened.length = 0;
  port.unseen.length = 0;
  port.destroyed = 0;
  port.wrap = (device) => device;
  server.log.length = 0;
  session = port.session();
  vdi = port.add(memoryOf(RUBBISH));
  task = port.task();
});

const put = (
  body: Buffer,
  query: Record<string, string> = {},
  headers: Record<string, string> = {},
  path = '/import_raw_vdi',
): Promise<RawAnswer> => {
  const all = { vdi: vdi.ref, session_id: session, task_id: task.ref, ...query };
  return ask(server, { method: 'PUT', path, query: all, headers, body });
};

function frame(offset: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(offset), 0);
  head.writeUInt32LE(data.length, 8);
  return Buffer.concat([head, data]);
}

describe('PUT /import_raw_vdi', () => {
  it.each(['raw', 'vhd', 'tar'] as const)('takes a disk as %s', async (format) => {
    const image = await exported(format, { disk: memoryOf(CONTENT) });
    const answer = await put(image, { format }, {}, '/import_raw_vdi/');
    expect(answer.status).toBe(200);
    expect(answer.end).toBe('closed');
    expect(answer.headers.get('connection')).toBe('close');
    expect(answer.headers.get('cache-control')).toBe('no-cache, no-store');
    expect(answer.headers.get('task-id')).toBe(task.ref);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    // Either would tell the client that it is over, while it still sends.
    expect(answer.headers.has('content-length')).toBe(false);
    expect(answer.headers.has('transfer-encoding')).toBe(false);
    expect(answer.body.length).toBe(0);
    expect(task).toMatchObject({ status: 'success', result: `<value>${vdi.ref}</value>` });
    expectSame(contentOf(vdi.device), CONTENT);
    expect(server.port.opened).toEqual([{ ref: vdi.ref, write: true }]);
    expect(server.port.open_).toBe(0);
  });

  it('takes what differs, in a VHD and in a qcow2', async () => {
    for (const format of ['vhd', 'qcow2'] as const) {
      const target = server.port.add(memoryOf(RUBBISH));
      task = server.port.task();
      const image = await exported(format, { disk: memoryOf(CONTENT), base: memoryOf(RUBBISH) });
      await put(image, { format, vdi: target.uuid });
      expect(task.status).toBe('success');
      expectSame(contentOf(target.device), CONTENT);
    }
  });

  it('takes frames of parts of the disk, whatever `chunked` says', async () => {
    const wanted = Buffer.from(RUBBISH);
    CONTENT.copy(wanted, 3 * M, M, 2 * M);
    wanted.write('there', 5 * M);
    const body = Buffer.concat([
      frame(3 * M, CONTENT.subarray(M, 2 * M)),
      frame(5 * M, Buffer.from('there')),
      frame(0, Buffer.alloc(0)),
    ]);
    await put(body, { chunked: '' });
    expect(task.status).toBe('success');
    expectSame(contentOf(vdi.device), wanted);
  });

  it('answers before the body has come, and works while it comes', async () => {
    const socket = dial(server);
    const query = { vdi: vdi.ref, session_id: session, task_id: task.ref };
    const headers = { 'content-length': String(CONTENT.length) };
    socket.write(headOf({ method: 'PUT', path: '/import_raw_vdi', query, headers }));
    const answer = answerOn(socket);
    await once(socket, 'data');
    expect(task.status).toBe('pending');
    expect(server.port.opened).toEqual([]);
    for (let at = 0; at < CONTENT.length; at += 100_000) {
      socket.write(CONTENT.subarray(at, at + 100_000));
      await setImmediate();
    }
    expect((await answer).status).toBe(200);
    expect(task.status).toBe('success');
    expectSame(contentOf(vdi.device), CONTENT);
  });

  it('leaves what a shorter disk does not reach, and fails late when it is longer', async () => {
    await put(CONTENT.subarray(0, M + 512));
    expect(task.status).toBe('success');
    const wanted = Buffer.concat([CONTENT.subarray(0, M + 512), RUBBISH.subarray(M + 512)]);
    expectSame(contentOf(vdi.device), wanted);
    task = server.port.task();
    expect((await put(Buffer.concat([CONTENT, Buffer.alloc(512)]))).status).toBe(200);
    expect(task.error[0]).toBe('VDI_IO_ERROR');
    expectSame(contentOf(vdi.device), CONTENT);
  });

  it.each([{}, { 'content-length': PEBIBYTE }])(
    'answers the empty request with which Xen Orchestra looks for redirections: %j',
    async (headers) => {
      const socket = dial(server);
      const query = { vdi: vdi.ref, session_id: session, format: 'vhd' };
      const path = '/import_raw_vdi/';
      const probe = { method: 'PUT', path, query, headers, body: Buffer.alloc(0) } as const;
      socket.write(headOf(probe));
      const answer = answerOn(socket);
      await once(socket, 'data');
      // It goes away as soon as it has the status, and comes back with the disk at once.
      socket.destroy();
      expect((await answer).status).toBe(200);
      const image = await exported('vhd', { disk: memoryOf(CONTENT) });
      await put(image, { format: 'vhd' }, {}, path);
      expect(task.status).toBe('success');
      expectSame(contentOf(vdi.device), CONTENT);
      expect(server.port.opened.length).toBe(1);
    },
  );

  it('keeps an empty request out of the list of tasks, and changes nothing', async () => {
    const query = { vdi: vdi.ref, session_id: session };
    const body = Buffer.alloc(0);
    for (const format of ['raw', 'vhd', 'qcow2', 'tar']) {
      const probe = {
        method: 'PUT',
        path: '/import_raw_vdi',
        query: { ...query, format },
      } as const;
      const answer = await ask(server, { ...probe, body });
      expect(answer.status).toBe(200);
    }
    expect(server.port.tasks.size).toBe(1);
    expect(server.port.unseen.map(({ status }) => status)).toEqual(Array(4).fill('success'));
    expect(server.port.opened).toEqual([]);
    expectSame(contentOf(vdi.device), RUBBISH);
    const missing = { vdi: 'OpaqueRef:none', session_id: session };
    const path = '/import_raw_vdi';
    const answer = await ask(server, { method: 'PUT', path, query: missing, body });
    expect(answer.status).toBe(400);
  });

  it('keeps what came before a client broke off that did not know the length', async () => {
    server.port.wrap = (device) => new FaultyDevice(device, () => ({ delay: setImmediate() }));
    const sent = CONTENT.subarray(0, 3 * M + 77 * 512);
    const socket = dial(server);
    const query = { vdi: vdi.ref, session_id: session, task_id: task.ref };
    const headers = { 'content-length': PEBIBYTE };
    socket.write(headOf({ method: 'PUT', path: '/import_raw_vdi', query, headers }));
    socket.resume();
    socket.end(sent);
    await until('the task is over', () => task.status !== 'pending');
    expect(task.error[0]).toBe('VDI_IO_ERROR');
    expectSame(contentOf(vdi.device), Buffer.concat([sent, RUBBISH.subarray(sent.length)]));
    expect(server.port.open_).toBe(0);
  });

  it('makes a VDI for a raw disk in an SR, and unmakes it when that fails', async () => {
    const { port } = server;
    const path = '/import_raw_vdi';
    for (const sr of [{ sr_id: SR.ref }, { sr_uuid: SR.uuid }]) {
      const own = port.task();
      const query = { ...sr, session_id: session, task_id: own.ref };
      await ask(server, { method: 'PUT', path, query, body: CONTENT });
      expect(own.status).toBe('success');
      const made = port.vdi(own.result.slice('<value>'.length, -'</value>'.length));
      expectSame(contentOf(made.device), CONTENT);
    }
    expect(port.destroyed).toBe(0);
    expect(port.kept).toHaveLength(2);
    const before = port.vdis.size;
    const own = port.task();
    const query = { sr_id: SR.ref, session_id: session, task_id: own.ref };
    const socket = dial(server);
    const headers = { 'content-length': String(CONTENT.length) };
    socket.write(headOf({ method: 'PUT', path, query, headers }));
    socket.resume();
    socket.end(CONTENT.subarray(0, M));
    await until('the task is over', () => own.status !== 'pending');
    expect(own.error[0]).toBe('VDI_IO_ERROR');
    expect(port.destroyed).toBe(1);
    expect(port.kept).toHaveLength(2);
    expect(port.vdis.size).toBe(before);
  });

  it.each([
    [404, { format: 'vmdk' }, {}, ['INTERNAL_ERROR', 'Unknown format vmdk']],
    [404, { format: 'vhd', chunked: 'true' }, {}, ['INTERNAL_ERROR', 'Cannot handle chunked VHD']],
    [
      404,
      {},
      { 'transfer-encoding': 'chunked', 'content-length': '' },
      ['INTERNAL_ERROR', 'Cannot handle encoding: chunked'],
    ],
    [400, { vdi: 'OpaqueRef:none' }, {}, ['HANDLE_INVALID', 'VDI', 'OpaqueRef:none']],
  ] as const)('answers %d to %j %j', async (status, query, headers, error) => {
    const request = {
      method: 'PUT',
      path: '/import_raw_vdi',
      query: { vdi: vdi.ref, session_id: session, task_id: task.ref, ...query },
      headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== '')),
      ...('transfer-encoding' in headers ? {} : { body: CONTENT }),
    } as const;
    const answer = await ask(server, request);
    expect(answer.status).toBe(status);
    expect(task).toMatchObject({ status: 'failure', error });
    expectSame(contentOf(vdi.device), RUBBISH);
    expect(server.port.opened).toEqual([]);
  });

  it.each([
    [{}, ['VDI_MISSING']],
    [{ sr_id: 'OpaqueRef:none' }, ['HANDLE_INVALID', 'SR', 'OpaqueRef:none']],
    [{ sr_id: SR.ref, format: 'vhd' }, ['INTERNAL_ERROR', expect.stringContaining('VHD')]],
    [{ sr_id: SR.ref, format: 'qcow2' }, ['INTERNAL_ERROR', expect.stringContaining('QCOW2')]],
    [{ sr_id: SR.ref, chunked: '1' }, ['INTERNAL_ERROR', expect.stringContaining('info')]],
    [{ sr_id: SR.ref, format: 'tar' }, ['INTERNAL_ERROR', expect.stringContaining('info')]],
  ])('answers 400 to no VDI and %j, and fails the task', async (query, error) => {
    const all = { session_id: session, task_id: task.ref, ...query };
    const path = '/import_raw_vdi';
    const answer = await ask(server, { method: 'PUT', path, query: all, body: CONTENT });
    expect(answer.status).toBe(400);
    expect(task).toMatchObject({ status: 'failure', error });
    expect(server.port.vdis.size).toBe(1);
  });

  it('refuses strangers, those who may not, and a disk that is read only', async () => {
    const stranger = await put(CONTENT, { session_id: 'OpaqueRef:none' });
    expect(stranger.status).toBe(401);
    expect(stranger.headers.get('www-authenticate')).toBe('Basic realm="VDI.import"');
    expect(task.error).toEqual(['SESSION_AUTHENTICATION_FAILED']);
    task = server.port.task();
    const reader = await put(CONTENT, { session_id: server.port.session('read-only') });
    expect(reader.status).toBe(403);
    expect(task.error.slice(0, 2)).toEqual(['RBAC_PERMISSION_DENIED', 'http/put_import_raw_vdi']);
    task = server.port.task();
    const fixed = server.port.add(new MemoryDevice({ size: M }), { isReadOnly: true });
    expect((await put(CONTENT, { vdi: fixed.ref })).status).toBe(400);
    expect(task.error).toEqual(['VDI_READONLY', fixed.ref]);
    task = server.port.task();
    expect((await put(CONTENT, { task_id: 'OpaqueRef:none' })).status).toBe(400);
    expect(server.port.opened).toEqual([]);
  });

  it('says in the task only what is wrong with the image, and keeps none of it open', async () => {
    const image = await exported('vhd', { disk: memoryOf(CONTENT) });
    image.writeUInt8(image.readUInt8(600) ^ 1, 600);
    const answer = await put(image, { format: 'vhd' });
    expect(answer.status).toBe(200);
    expect(answer.body.length).toBe(0);
    expect(task.error[0]).toBe('VDI_IO_ERROR');
    expect(task.error[1]).toContain('checksum');
    expect(server.log).toEqual([]);
    expect(server.port.open_).toBe(0);
  });

  it('fails the task when the disk fails, and when somebody else writes to it', async () => {
    server.port.wrap = (device) =>
      new FaultyDevice(device, ({ operation, offset }) =>
        operation === 'write' && offset >= 2 * M ? { errno: 'EIO' } : undefined,
      );
    expect((await put(CONTENT)).status).toBe(200);
    expect(task.error[0]).toBe('VDI_IO_ERROR');
    expect(server.port.open_).toBe(0);
    const other = await server.port.open(vdi, { write: true });
    task = server.port.task();
    expect((await put(CONTENT)).status).toBe(200);
    expect(task.error).toEqual(['VDI_IN_USE', vdi.ref, 'copy']);
    // One that is read is told at once.
    const query = { vdi: vdi.ref, session_id: session };
    const path = '/export_raw_vdi';
    expect((await ask(server, { method: 'GET', path, query })).status).toBe(400);
    await other.close();
  });

  it('is cancelled with its task, also while it waits for the client', async () => {
    const socket = dial(server);
    const query = { vdi: vdi.ref, session_id: session, task_id: task.ref };
    const headers = { 'content-length': String(CONTENT.length) };
    socket.write(headOf({ method: 'PUT', path: '/import_raw_vdi', query, headers }));
    socket.write(CONTENT.subarray(0, M));
    const answer = answerOn(socket);
    await once(socket, 'data');
    await until('it is open', () => server.port.open_ === 1);
    task.cancel();
    await until('the task is over', () => task.status !== 'pending');
    expect(task.error).toEqual(['TASK_CANCELLED', task.ref]);
    expect(server.port.open_).toBe(0);
    expect((await answer).status).toBe(200);
  });

  it('is no error of ours when it is cancelled while the disk writes', async () => {
    const gate = Promise.withResolvers<void>();
    server.port.wrap = (device) =>
      new FaultyDevice(device, ({ operation }) => {
        if (operation !== 'write') return undefined;
        task.cancel();
        return { delay: gate.promise };
      });
    const answer = put(CONTENT);
    await until('it is cancelled', () => task.signal.aborted);
    gate.resolve();
    expect((await answer).status).toBe(200);
    expect(task.error).toEqual(['TASK_CANCELLED', task.ref]);
    expect(server.log).toEqual([]);
  });

  it('gives up on a client that sends nothing', async () => {
    const impatient = await imageServer({ idleMs: 50, lingerMs: 10 });
    try {
      const { port } = impatient;
      const own = port.task();
      const target = port.add(new MemoryDevice({ size: M }));
      const query = { vdi: target.ref, session_id: port.session(), task_id: own.ref };
      const headers = { 'content-length': String(M) };
      const path = '/import_raw_vdi';
      const answer = await ask(impatient, { method: 'PUT', path, query, headers });
      expect(answer.status).toBe(200);
      expect(own.error[0]).toBe('VDI_IO_ERROR');
    } finally {
      await impatient.close();
    }
  });
});
