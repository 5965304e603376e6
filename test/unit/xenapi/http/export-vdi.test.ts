import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FaultyDevice, MemoryDevice } from '../../../../src/block/index.ts';
import { seededRandom } from '../../../support/seed.ts';
import { until } from '../../../support/until.ts';
import { contentOf, expectSame, imported, K, limited, M, memoryOf } from '../images/transfers.ts';
import { answerOn, ask, dial, headOf, type ImageServer, imageServer } from './image-server.ts';
import { type MemoryVdi, USER } from './memory-image-port.ts';

let server: ImageServer;
let session: string;
let vdi: MemoryVdi;

const random = seededRandom();
const CONTENT = Buffer.alloc(5 * M + 512);
for (let at = M; at < 3 * M; at += 4) CONTENT.writeUInt32LE(Math.floor(random() * 2 ** 32), at);

beforeAll(async () => {
  server = await imageServer();
});
afterAll(() => server.close());
beforeEach(() => {
  const { port } = server;
  port.vdis.clear();
  port.tasks.clear();
  port.wrap = (device) => device;
  port.changed = undefined;
  session = port.session();
  vdi = port.add(memoryOf(CONTENT));
});

const get = (query: Record<string, string>, headers: Record<string, string> = {}) =>
  ask(server, { method: 'GET', path: '/export_raw_vdi', query, headers });

describe('GET /export_raw_vdi', () => {
  it.each([
    ['raw', 'application/octet-stream'],
    ['vhd', 'application/vhd'],
    ['tar', 'application/x-tar'],
    ['qcow2', 'application/x-qemu-disk'],
  ] as const)('sends a disk as %s, and ends the task with the ref', async (format, type) => {
    const task = server.port.task();
    const query = { vdi: vdi.ref, format, session_id: session, task_id: task.ref };
    const answer = await get(query);
    expect(answer.status).toBe(200);
    expect(answer.end).toBe('closed');
    expect(answer.headers.get('connection')).toBe('close');
    expect(answer.headers.get('cache-control')).toBe('no-cache, no-store');
    expect(answer.headers.get('task-id')).toBe(task.ref);
    expect(answer.headers.get('content-type')).toBe(type);
    const disposition = `attachment; filename="${vdi.uuid}.${format}"`;
    expect(answer.headers.get('content-disposition')).toBe(disposition);
    // Of a tar it is not known before its end.
    const length = format === 'tar' ? undefined : String(answer.body.length);
    expect(answer.headers.get('content-length')).toBe(length);
    expect(answer.headers.has('transfer-encoding')).toBe(false);
    const target = new MemoryDevice({ size: CONTENT.length });
    await imported(format, answer.body, target);
    expectSame(contentOf(target), CONTENT);
    expect(task).toMatchObject({
      status: 'success',
      result: `<value>${vdi.ref}</value>`,
      fraction: 1,
    });
    expect(server.port.open_).toBe(0);
  });

  it('takes what differs from a base, which it opens to read', async () => {
    const base = server.port.add(
      memoryOf(Buffer.concat([CONTENT.subarray(0, 2 * M), Buffer.alloc(2 * M)])),
    );
    for (const changed of [undefined, [{ offset: 2 * M, length: 3 * M + 512 }]]) {
      server.port.changed = changed;
      server.port.opened.length = 0;
      for (const format of ['vhd', 'qcow2'] as const) {
        const query = {
          vdi: vdi.uuid,
          base: base.uuid,
          format: format.toUpperCase(),
          session_id: session,
        };
        const { body, headers } = await get(query);
        expect(headers.get('content-disposition')).toContain(`${vdi.uuid}.${format}`);
        expect(body.length).toBeLessThan(5 * M);
        const target = memoryOf(Buffer.concat([contentOf(base.device)], CONTENT.length));
        await imported(format, body, target);
        expectSame(contentOf(target), CONTENT);
      }
      expect(server.port.opened.every(({ write }) => !write)).toBe(true);
    }
  });

  it('is asked with a slash behind, and with parameters in cookies of either kind', async () => {
    const { port } = server;
    const task = port.task();
    for (const cookie of [
      `session_id=${session}; vdi=${vdi.ref}; format=raw`,
      `session_id=${session}&vdi=${encodeURIComponent(vdi.ref)}&format=raw`,
    ]) {
      const path = '/export_raw_vdi/';
      const answer = await ask(server, { method: 'GET', path, headers: { cookie } });
      expect(answer.status).toBe(200);
      expectSame(answer.body, CONTENT);
    }
    // The cookie says who it is, and the query what is wanted.
    const cookie = `session_id=${session};task_id=${task.ref};vdi=other`;
    const answer = await get(
      { vdi: vdi.ref, session_id: 'OpaqueRef:old', task_id: 'no' },
      { cookie },
    );
    expect(answer.status).toBe(200);
    expect(task.status).toBe('success');
  });

  it('makes a task when none is given', async () => {
    const answer = await get({ vdi: vdi.ref, session_id: session, subtask_of: 'OpaqueRef:above' });
    const task = server.port.tasks.get(answer.headers.get('task-id') ?? '');
    expect(task).toMatchObject({ status: 'success', subtaskOf: 'OpaqueRef:above' });
  });

  it('takes a password as well, in a session that ends with the request', async () => {
    const before = server.port.sessionsEnded;
    const basic = (text: string) => ({
      authorization: `Basic ${Buffer.from(text).toString('base64')}`,
    });
    const answer = await get({ vdi: vdi.ref }, basic(`${USER.user}:${USER.password}`));
    expect(answer.status).toBe(200);
    await until('its session is over', () => server.port.sessionsEnded === before + 1);
    expect((await get({ vdi: vdi.ref }, basic('root:wrong'))).status).toBe(401);
    expect((await get({ vdi: vdi.ref }, { authorization: 'Bearer x' })).status).toBe(401);
  });

  it('refuses strangers, and fails the task that they name', async () => {
    for (const session_id of ['OpaqueRef:nobody', undefined]) {
      const task = server.port.task();
      const query = { vdi: vdi.ref, task_id: task.ref };
      const answer = await get(session_id === undefined ? query : { ...query, session_id });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Basic realm="VDI.export_raw"');
      expect(answer.headers.get('connection')).toBe('close');
      expect(task.error).toEqual(['SESSION_AUTHENTICATION_FAILED']);
    }
  });

  it('refuses who may not, and fails the task', async () => {
    const task = server.port.task();
    const session_id = server.port.session('vm-operator');
    const answer = await get({ vdi: vdi.ref, session_id, task_id: task.ref });
    expect(answer.status).toBe(403);
    expect(task.error.slice(0, 2)).toEqual(['RBAC_PERMISSION_DENIED', 'http/get_export_raw_vdi']);
    const allowed = server.port.session('vm-admin');
    expect((await get({ vdi: vdi.ref, session_id: allowed })).status).toBe(200);
  });

  it.each([
    [404, { format: 'vmdk' }, ['INTERNAL_ERROR', 'Unknown format vmdk']],
    [400, { vdi: 'OpaqueRef:none' }, ['HANDLE_INVALID', 'VDI', 'OpaqueRef:none']],
    [400, { base: 'none', format: 'vhd' }, ['HANDLE_INVALID', 'VDI', 'none']],
  ])('answers %d to %j', async (status, query, error) => {
    const task = server.port.task();
    const answer = await get({ vdi: vdi.ref, session_id: session, task_id: task.ref, ...query });
    expect(answer.status).toBe(status);
    expect(answer.body.length).toBe(0);
    expect(task).toMatchObject({ status: 'failure', error });
  });

  it('refuses a disk that no VHD can hold, and what has no differences', async () => {
    const size = 2040 * 1024 * M;
    const large = server.port.add(new MemoryDevice({ size: size + 512 }));
    const task = server.port.task();
    const answer = await get({
      vdi: large.ref,
      format: 'vhd',
      session_id: session,
      task_id: task.ref,
    });
    expect(answer.status).toBe(400);
    expect(task.error).toEqual(['VDI_TOO_LARGE', large.ref, String(size)]);
    expect((await get({ vdi: vdi.ref, base: vdi.ref, session_id: session })).status).toBe(400);
  });

  it.each(['raw', 'vhd', 'tar', 'qcow2'])(
    'breaks a %s off when the disk fails: nothing that looks like its end, or like an answer',
    async (format) => {
      let task = server.port.task();
      // VHD and qcow2 have seen the disk once when they begin.
      const from = format === 'vhd' || format === 'qcow2' ? 0.5 : 0;
      server.port.wrap = (device) =>
        new FaultyDevice(device, ({ operation, offset, length }) => {
          const isBad = operation === 'read' && offset + length > 2 * M + 64 * K;
          return isBad && task.fraction >= from ? { errno: 'EIO' } : undefined;
        });
      const answer = await get({ vdi: vdi.ref, format, session_id: session, task_id: task.ref });
      expect(answer.status).toBe(200);
      expect(answer.end).toBe('reset');
      expect(answer.body.includes('HTTP/')).toBe(false);
      expect(task.error[0]).toBe('VDI_IO_ERROR');
      expect(server.port.open_).toBe(0);
      // Xen Orchestra's client takes a reset for the end, unless it knows the length.
      if (format === 'tar') return;
      task = server.port.task();
      const query = { vdi: vdi.ref, format, session_id: session, task_id: task.ref };
      const search = new URLSearchParams(query);
      const fetched = await fetch(`http://127.0.0.1:${server.number}/export_raw_vdi?${search}`);
      expect(fetched.status).toBe(200);
      await expect(fetched.arrayBuffer()).rejects.toThrow();
    },
  );

  it('says with a status that the disk failed before there was anything to send', async () => {
    server.port.wrap = (device) =>
      new FaultyDevice(device, ({ operation }) =>
        operation === 'read' ? { errno: 'EIO' } : undefined,
      );
    const task = server.port.task();
    const query = { vdi: vdi.ref, format: 'vhd', session_id: session, task_id: task.ref };
    expect((await get(query)).status).toBe(500);
    expect(task.error[0]).toBe('VDI_IO_ERROR');
  });

  it.each(['client', 'task'] as const)('is over when the %s ends it', async (who) => {
    const { port } = server;
    const full = port.add(limited(new MemoryDevice({ size: 64 * M }), { extents: false }));
    const gate = Promise.withResolvers<void>();
    port.wrap = (device) =>
      new FaultyDevice(device, ({ offset }) =>
        offset >= 16 * M ? { delay: gate.promise } : undefined,
      );
    const task = port.task();
    const socket = dial(server);
    const query = { vdi: full.ref, session_id: session, task_id: task.ref };
    socket.write(headOf({ method: 'GET', path: '/export_raw_vdi', query }));
    const answer = answerOn(socket);
    await once(socket, 'data');
    if (who === 'client') socket.destroy();
    else task.cancel();
    gate.resolve();
    await until('the task is over', () => task.status !== 'pending');
    expect(task.error[0]).toBe(who === 'client' ? 'VDI_IO_ERROR' : 'TASK_CANCELLED');
    expect(port.open_).toBe(0);
    const { end, body } = await answer;
    expect(body.length).toBeLessThan(64 * M);
    if (who === 'task') expect(end).toBe('reset');
    expect(server.log).toEqual([]);
  });

  it('gives up on a client that takes nothing', async () => {
    const impatient = await imageServer({ idleMs: 50 });
    try {
      const { port } = impatient;
      const full = port.add(limited(new MemoryDevice({ size: 512 * M }), { extents: false }));
      const task = port.task();
      const socket = dial(impatient);
      socket.on('error', () => undefined);
      socket.pause();
      const query = { vdi: full.ref, session_id: port.session(), task_id: task.ref };
      socket.write(headOf({ method: 'GET', path: '/export_raw_vdi', query }));
      await until('the task is over', () => task.status === 'failure');
      expect(task.error[0]).toBe('VDI_IO_ERROR');
      socket.destroy();
    } finally {
      await impatient.close();
    }
  });
});
