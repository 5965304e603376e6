import { beforeEach, describe, expect, test } from 'vitest';
import {
  addMachine,
  cancelTask,
  closeControl,
  createControl,
  deleteMachine,
  deleteVdisk,
  importVdisk,
  listEvents,
  listTasks,
  listVdisks,
  recoverControl,
  setEnrolmentPolicy,
  showTask,
  showVdisk,
} from '../../../src/control/index.ts';
import { MAX_FINISHED_TASKS, MAX_RUNNING_TASKS } from '../../../src/control/limits.ts';
import { Fault } from '../../../src/errors/index.ts';
import { type FakeService, fakeService, kinds, withVdisk } from './support/fake-service.ts';

let service: FakeService;
beforeEach(() => {
  service = fakeService();
});

const INPUT = { name: 'debian', path: '/images/debian.qcow2' };

/** Starts an import that waits for the test. */
async function start(input = INPUT) {
  service.images.instant = false;
  const task = importVdisk(service.control, input);
  await Promise.resolve(); // the work begins in the next turn
  const pending = service.images.pending.at(-1);
  if (pending === undefined) throw new Error('the import has not begun');
  return { id: task.id, pending, settled: () => service.control.tasks.settled(task.id) };
}

describe('importing', () => {
  test('is a task; the vDisk is there when it has succeeded', async () => {
    const { id, pending, settled } = await start();
    expect(pending.request).toEqual({
      path: '/images/debian.qcow2',
      format: undefined,
      kernel: undefined,
      initrd: undefined,
    });
    expect(showTask(service.control, id)).toMatchObject({ state: 'running', percent: 0 });
    pending.progress({ bytesDone: 512, bytesTotal: 1024 });
    expect(showTask(service.control, id)).toMatchObject({ state: 'running', percent: 50 });
    pending.progress({ bytesDone: 1024, bytesTotal: 1024 }); // not done until it is kept
    expect(showTask(service.control, id)).toMatchObject({ state: 'running', percent: 99 });
    expect(listVdisks(service.control)).toEqual([]);
    pending.finish();
    await settled();
    expect(showTask(service.control, id)).toMatchObject({
      state: 'succeeded',
      percent: 100,
      error: null,
      result: { name: 'debian', production: 1 },
      endedAt: '2026-01-02T03:04:05.000Z',
    });
    expect(showVdisk(service.control, 'debian')).toMatchObject({
      production: 1,
      size: 2 ** 41,
      bootable: true,
      export: 'vdisk/debian',
      versions: [{ number: 1, state: 'production', kernel: 'vmlinuz', rootPartition: 'p1' }],
    });
    expect(service.control.catalog.layers.all().map(({ id }) => id)).toEqual(['layer-1']);
    expect(kinds(service)).toEqual(['vdisk.import-started', 'vdisk.imported']);
  });

  test('an image without a kernel is no bootable vDisk, and an event says so', async () => {
    const { pending, settled } = await start();
    pending.finish({
      bootFiles: {
        kernel: undefined,
        initrd: undefined,
        rootPartition: '',
        rootFilesystem: undefined,
        initramfs: 'unknown',
        given: false,
      },
    });
    await settled();
    expect(showVdisk(service.control, 'debian').bootable).toBe(false);
    expect(service.told.at(-1)?.message).toContain('no kernel was found');
  });

  test('that fails leaves the fault in the task and nothing else', async () => {
    const { id, pending, settled } = await start();
    pending.fail(new Fault('IMAGE_INVALID', 'it ends early', { field: 'path', value: 'p' }));
    await settled();
    expect(showTask(service.control, id)).toMatchObject({
      state: 'failed',
      result: null,
      error: { code: 'IMAGE_INVALID', message: 'it ends early', field: 'path', value: 'p' },
    });
    expect(listVdisks(service.control)).toEqual([]);
    expect(kinds(service).at(-1)).toBe('vdisk.import-failed');
    service.images.instant = true;
    await withVdisk(service); // the name is free again
    expect(listVdisks(service.control)).toHaveLength(1);
  });

  test('can be cancelled', async () => {
    const { id, settled } = await start();
    expect(cancelTask(service.control, id).state).toBe('running');
    await settled();
    expect(showTask(service.control, id)).toMatchObject({
      state: 'cancelled',
      error: { code: 'CANCELLED' },
    });
    expect(kinds(service).at(-1)).toBe('vdisk.import-cancelled');
    expect(cancelTask(service.control, id).state).toBe('cancelled');
  });

  test('cancelled in the last moment leaves no layer behind', async () => {
    const { id, pending, settled } = await start();
    pending.finish();
    cancelTask(service.control, id);
    await settled();
    expect(showTask(service.control, id).state).toBe('cancelled');
    expect(listVdisks(service.control)).toEqual([]);
    expect(service.images.removed).toEqual(['layer-1']);
  });

  test('a name that is taken, or being imported, is refused', async () => {
    const { pending, settled } = await start();
    expect(() => importVdisk(service.control, INPUT)).toThrow(
      expect.objectContaining({
        code: 'ALREADY_EXISTS',
        message: 'a vDisk debian is being imported',
      }),
    );
    pending.finish();
    await settled();
    expect(() => importVdisk(service.control, INPUT)).toThrow(
      expect.objectContaining({ code: 'ALREADY_EXISTS' }),
    );
    expect(listTasks(service.control)).toHaveLength(1);
  });

  test.each([
    [{ ...INPUT, name: 'A' }, 'vdisk.name'],
    [{ ...INPUT, path: 'debian.qcow2' }, 'path'],
    [{ ...INPUT, path: '/a\0b' }, 'path'],
    [{ ...INPUT, kernel: 'vmlinuz' }, 'kernel'],
    [{ ...INPUT, kernelArguments: 'a\nb' }, 'kernelArguments'],
  ])('%j is refused', (input, field) => {
    expect(() => importVdisk(service.control, input)).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        details: expect.objectContaining({ field }),
      }),
    );
    expect(listTasks(service.control)).toEqual([]);
  });

  test('that the catalog cannot take down is not begun', async () => {
    const full = new Fault('NO_SPACE', 'no space left for the catalog');
    service.control.catalog.events.insert = () => {
      throw full;
    };
    expect(() => importVdisk(service.control, INPUT)).toThrow(full);
    await service.control.tasks.settled('id-1');
    expect(showTask(service.control, 'id-1').state).toBe('cancelled');
    expect(service.images.pending).toEqual([]);
    expect(listVdisks(service.control)).toEqual([]);
  });

  test('so many at a time', async () => {
    service.images.instant = false;
    for (let index = 0; index < MAX_RUNNING_TASKS; index++) {
      importVdisk(service.control, { ...INPUT, name: `v${index}` });
    }
    const told = service.told.length;
    expect(() => importVdisk(service.control, INPUT)).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
    );
    expect(service.told).toHaveLength(told);
    await closeControl(service.control);
  });
});

describe('deleting a vDisk', () => {
  beforeEach(() => withVdisk(service));

  test('takes its layers along', async () => {
    await deleteVdisk(service.control, 'debian');
    expect(service.images.removed).toEqual(['layer-1']);
    expect(listVdisks(service.control)).toEqual([]);
    expect(service.control.catalog.removals.all()).toEqual([]);
    await expect(deleteVdisk(service.control, 'debian')).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('is refused while a machine, the policy or a connection needs it', async () => {
    const inUse = (field: string) =>
      expect(deleteVdisk(service.control, 'debian')).rejects.toMatchObject({
        code: 'IN_USE',
        details: { field },
      });
    const { control, dataPlane } = service;
    addMachine(control, { name: 'pc-1', mac: '525400123456', vdisk: 'debian' });
    await inUse('vdisk.machines');
    await deleteMachine(control, 'pc-1');
    const template = { vdisk: 'debian', namePattern: 'pc-{n}' };
    setEnrolmentPolicy(control, { mode: 'template', template });
    await inUse('enrolmentPolicy.template.vdisk');
    setEnrolmentPolicy(control, { mode: 'wait' });
    dataPlane.openVdisks.set(showVdisk(control, 'debian').id, 1);
    await inUse('vdisk.connections');
    expect(service.images.removed).toEqual([]);
    dataPlane.openVdisks.clear();
    await deleteVdisk(control, 'debian');
  });

  test('that the disk did not carry out is carried out at the next start', async () => {
    service.images.failRemove = true;
    await deleteVdisk(service.control, 'debian');
    expect(service.told.at(-1)).toMatchObject({
      kind: 'service.removal-failed',
      message: expect.stringMatching(/layer-1.*disk is away/),
    });
    service.images.failRemove = false;
    await recoverControl(service.control);
    expect(service.images.removed).toEqual(['layer-1']);
    expect(service.control.catalog.removals.all()).toEqual([]);
  });

  test('that a crash cut off between the vDisk and its layers ends at the next start', async () => {
    const { control, images } = service;
    control.catalog.vdisks.delete(showVdisk(control, 'debian').id); // as far as it came
    expect(control.catalog.layers.all()).toHaveLength(1);
    await recoverControl(control);
    expect(control.catalog.layers.all()).toEqual([]);
    expect(images.removed).toEqual(['layer-1']);
  });
});

describe('tasks over the end of the service', () => {
  test('stopping ends them as failed', async () => {
    const { id } = await start();
    await closeControl(service.control);
    expect(showTask(service.control, id)).toMatchObject({
      state: 'failed',
      error: { code: 'UNAVAILABLE', message: 'the service stopped' },
    });
    expect(() => importVdisk(service.control, INPUT)).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE' }),
    );
  });

  test('those that a crash left running are failed at the next start', async () => {
    const { id } = await start();
    const { control, clock, dataPlane, images, transfers } = service;
    const next = createControl({
      catalog: control.catalog,
      clock,
      dataPlane,
      images,
      transfers,
      newId: () => 'x',
      serverName: 's',
      version: '1',
    });
    expect(showTask(next, id).state).toBe('running');
    await recoverControl(next);
    expect(showTask(next, id)).toMatchObject({
      state: 'failed',
      message: 'the service stopped',
      error: { code: 'UNAVAILABLE' },
    });
    expect(listEvents(next)[0]).toMatchObject({ kind: 'task.interrupted', data: { taskId: id } });
    await closeControl(control);
  });

  test('one that took long is there when it has ended, however many came and went meanwhile', async () => {
    const { tasks, catalog } = service.control;
    const { promise: wait, resolve: go } = Promise.withResolvers<void>();
    const long = tasks.start('long', 's', () => wait);
    catalog.transaction(() => {
      // Some of them by a clock that was ahead.
      for (let number = 0; number <= MAX_FINISHED_TASKS; number += 1) {
        const at = long.createdAt + number * 1000;
        const times = { createdAt: at, endedAt: at };
        catalog.tasks.save({ ...long, id: `short-${number}`, state: 'succeeded', ...times });
      }
    });
    go();
    await tasks.settled(long.id);
    expect(tasks.get(long.id)).toMatchObject({ state: 'succeeded' });
    expect(tasks.get('short-1')).toBeUndefined();
    expect(tasks.get('short-2')).toBeDefined();
    expect(catalog.tasks.all()).toHaveLength(MAX_FINISHED_TASKS);
  });

  test('an unknown one is not found', () => {
    for (const operation of [showTask, cancelTask]) {
      expect(() => operation(service.control, 'nope')).toThrow(
        expect.objectContaining({ code: 'NOT_FOUND' }),
      );
    }
  });

  test('a bug in the work is INTERNAL and ends the task', async () => {
    const task = service.control.tasks.start('odd', 'x', () => {
      throw new TypeError('oops');
    });
    await service.control.tasks.settled(task.id);
    expect(showTask(service.control, task.id)).toMatchObject({
      state: 'failed',
      error: { code: 'INTERNAL' },
    });
  });
});

describe('events', () => {
  test('come newest first, page by page, and by subject', async () => {
    for (const name of ['a', 'b', 'c']) await withVdisk(service, name);
    const all = listEvents(service.control);
    expect(all).toHaveLength(6);
    expect(all[0]?.subject).toBe('vdisk/c');
    const first = listEvents(service.control, { limit: 4 });
    const second = listEvents(service.control, { limit: 4, before: first.at(-1)?.id ?? 0 });
    expect([...first, ...second]).toEqual(all);
    expect(listEvents(service.control, { subject: 'vdisk/b' }).map(({ kind }) => kind)).toEqual([
      'vdisk.imported',
      'vdisk.import-started',
    ]);
  });

  test('the oldest are forgotten beyond the limit', () => {
    const { events } = service.control.catalog;
    for (let at = 1; at <= 5; at++) {
      events.insert({ at, actor: 'a', kind: 'k', subject: 's', message: '', data: {} }, 3);
    }
    const kept = events.find({ limit: 9, before: undefined, subject: undefined, byActors: false });
    expect(kept.map((event) => event.at)).toEqual([5, 4, 3]);
  });
});
