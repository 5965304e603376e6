import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { actingAs } from '../../../../src/control/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { TASK } from '../../../../src/xenapi/datamodel/task.ts';
import { refOf } from '../../../../src/xenapi/objects/refs.ts';
import { type ServerRig, serverRig } from '../server-rig.ts';

let server: ServerRig;
beforeEach(async () => {
  server = await serverRig();
});
afterEach(() => server.close());

/** Work that ends when the test says so. */
function work(kind = 'volume.clone') {
  let settle: { end: (value?: unknown) => void; fail: (error: unknown) => void } | undefined;
  let report: (percent: number) => void = () => {};
  const task = server.rig.control.tasks.start(kind, 'volume/one', (tell, signal) => {
    report = (percent) => tell(percent, 'copying');
    return new Promise((resolve, reject) => {
      settle = { end: resolve, fail: reject };
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  });
  const settled = () => server.rig.control.tasks.settled(task.id);
  return {
    ref: refOf('task', task.id),
    id: task.id,
    begun: () => Promise.resolve(),
    report: (percent: number) => report(percent),
    end: async () => {
      settle?.end({});
      await settled();
    },
    fail: async (error: unknown) => {
      settle?.fail(error);
      await settled();
    },
    settled,
  };
}

const record = (ref: string) => server.xen.objects.require(TASK, ref);

describe('tasks of the control plane', () => {
  it('are tasks of XenAPI, with how far they are and how they end', async () => {
    const copy = work();
    expect(record(copy.ref)).toMatchObject({
      ...{ uuid: copy.id, name_label: 'volume.clone volume/one', status: 'pending', progress: 0 },
    });
    await copy.begun();
    copy.report(40);
    server.controlTasks.observe();
    server.tasks.observe(server.timers.now());
    expect(record(copy.ref).progress).toBe(0.4);
    await copy.end();
    expect(record(copy.ref)).toMatchObject({ status: 'success', progress: 1 });
  });

  it('are left to the control plane when XenAPI ends', async () => {
    const copy = work();
    await new Promise(setImmediate); // its work has begun
    server.controlTasks.observe();
    expect(record(copy.ref).status).toBe('pending');
    server.tasks.close();
    await copy.end();
    expect(server.rig.control.tasks.get(copy.id)).toMatchObject({ state: 'succeeded' });
  });

  it('fail with what they failed of', async () => {
    const copy = work(); // and nobody looked at it while it ran
    await copy.begun();
    await copy.fail(new Fault('NO_SPACE', 'the array is full'));
    expect(record(copy.ref)).toMatchObject({
      status: 'failure',
      error_info: ['INTERNAL_ERROR', 'volume.clone of volume/one failed: the array is full'],
    });
  });

  it('are cancelled by a pool-operator, and by nobody below', async () => {
    const copy = work();
    await copy.begun();
    server.rig.role = 'vm-power-admin';
    expect(await server.rig.refusal('task.cancel', copy.ref)).toMatchObject({
      0: 'RBAC_PERMISSION_DENIED',
    });
    server.rig.role = 'pool-operator';
    await server.rig.call('task.cancel', copy.ref);
    await copy.settled();
    expect(record(copy.ref)).toMatchObject({
      ...{ status: 'cancelled', error_info: ['TASK_CANCELLED', copy.ref] },
    });
  });

  it('are not shown when a call of XenAPI began them: it has a task of its own', async () => {
    const copy = actingAs('anna from 192.0.2.1 (XenAPI)', () => work());
    await copy.begun();
    expect(server.xen.objects.refs('task')).toEqual([]);
    await copy.end();
    expect(server.xen.objects.refs('task')).toEqual([]);
  });
});
