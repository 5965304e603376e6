/** Imports whose image is prepared on the way. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  cancelTask,
  importVdisk,
  listVdisks,
  showTask,
  uploadVdisk,
} from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import { FakePreparer } from './support/fake-preparer.ts';
import { type FakeService, fakeService, kinds } from './support/fake-service.ts';
import { ended } from './support/storage-service.ts';

let service: FakeService;
let preparer: FakePreparer;
beforeEach(() => {
  preparer = new FakePreparer();
  service = fakeService({ preparer });
});

const INPUT = { name: 'debian', path: '/images/debian.qcow2', prepare: true };

async function* pieces(): AsyncGenerator<Buffer> {
  yield Buffer.from('an image');
}

describe('an import that prepares', () => {
  test('imports the prepared copy, which goes, and says what was changed', async () => {
    service.images.instant = false;
    const gate = Promise.withResolvers<void>();
    preparer.until = gate.promise;
    const task = importVdisk(service.control, { ...INPUT, format: 'qcow2', installPackages: true });
    await expect.poll(() => preparer.asked).toHaveLength(1);
    expect(preparer.asked[0]).toEqual({
      ...{ path: INPUT.path, format: 'qcow2', name: INPUT.path, install: true },
    });
    expect(showTask(service.control, task.id)).toMatchObject({
      percent: 37,
      message: 'preparing: half',
    });
    gate.resolve();
    await expect.poll(() => service.images.pending).toHaveLength(1);
    expect(service.images.pending[0]?.request).toMatchObject({
      path: '/uploads/prepared-1',
      format: 'raw',
    });
    expect(preparer.kept.size).toBe(1);
    service.images.pending[0]?.finish();
    expect(await ended(service.control, task)).toMatchObject({
      state: 'succeeded',
      result: {
        name: 'debian',
        prepared: { changed: ['/etc/hostname removed'], notes: ['a note'] },
      },
    });
    expect(preparer.kept.size).toBe(0);
    expect(kinds(service)).toEqual(['vdisk.import-started', 'vdisk.imported', 'vdisk.prepared']);
    expect(service.told.at(-1)).toMatchObject({ data: { changed: ['/etc/hostname removed'] } });
  });

  test('prepares what was sent, and keeps neither', async () => {
    const image = { pieces: pieces(), length: 8 };
    const task = await uploadVdisk(service.control, { name: 'debian', prepare: true }, image);
    expect(await ended(service.control, task)).toMatchObject({ state: 'succeeded' });
    expect(preparer.asked).toMatchObject([{ path: '/uploads/1', install: false }]);
    expect([service.transfers.spooled.size, preparer.kept.size]).toEqual([0, 0]);
  });

  test('that fails leaves no vDisk and no file', async () => {
    preparer.failure = new Fault('IMAGE_UNSUPPORTED', 'packages are missing: dmsetup');
    const image = { pieces: pieces(), length: 8 };
    const task = await uploadVdisk(service.control, { name: 'debian', prepare: true }, image);
    expect(await ended(service.control, task)).toMatchObject({
      state: 'failed',
      error: { code: 'IMAGE_UNSUPPORTED', message: 'packages are missing: dmsetup' },
    });
    expect(service.transfers.spooled.size).toBe(0);
    expect(listVdisks(service.control)).toEqual([]);
    expect(kinds(service)).toEqual(['vdisk.import-started', 'vdisk.import-failed']);
  });

  test('removes its copy when the import fails', async () => {
    service.images.instant = false;
    const task = importVdisk(service.control, INPUT);
    await expect.poll(() => service.images.pending).toHaveLength(1);
    service.images.pending[0]?.fail(new Fault('NO_SPACE', 'full'));
    expect(await ended(service.control, task)).toMatchObject({ error: { code: 'NO_SPACE' } });
    expect(preparer.kept.size).toBe(0);
  });

  test('can be cancelled while it prepares', async () => {
    preparer.until = new Promise(() => undefined);
    const task = importVdisk(service.control, INPUT);
    await expect.poll(() => preparer.asked).toHaveLength(1);
    cancelTask(service.control, task.id);
    expect(await ended(service.control, task)).toMatchObject({ state: 'cancelled' });
    expect(kinds(service).at(-1)).toBe('vdisk.import-cancelled');
  });
});

describe('is refused before anything is read', () => {
  test('by a server that cannot', async () => {
    preparer.refusal = new Fault('PERMISSION_DENIED', 'only root');
    const denied = expect.objectContaining({ code: 'PERMISSION_DENIED' });
    expect(() => importVdisk(service.control, INPUT)).toThrow(denied);
    const unread = { pieces: pieces(), length: 8 };
    const upload = uploadVdisk(service.control, { name: 'debian', prepare: true }, unread);
    await expect(upload).rejects.toThrow(denied);
    expect(service.transfers.spooled.size).toBe(0);
    expect(service.told).toEqual([]);
  });

  test('by a service without the means', () => {
    expect(() => importVdisk(fakeService().control, INPUT)).toThrow(
      expect.objectContaining({
        code: 'UNAVAILABLE',
        details: expect.objectContaining({ field: 'prepare' }),
      }),
    );
  });

  test.each([
    ['packages without preparation', { prepare: false, installPackages: true }, 'installPackages'],
    ['a kernel given by hand', { kernel: '/boot/vmlinuz' }, 'kernel'],
    ['an initrd given by hand', { initrd: '/boot/initrd' }, 'initrd'],
  ])('with %s', (_what, more, field) => {
    expect(() => importVdisk(service.control, { ...INPUT, ...more })).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        details: expect.objectContaining({ field }),
      }),
    );
  });
});
