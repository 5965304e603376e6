/** What comes to the server: all of it becomes the catalog's at once, or nothing. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  beginVersion,
  cancelTask,
  deleteVdisk,
  importBundle,
  importVdisk,
  listTasks,
  listVdisks,
  NO_BOOT_FILES,
  pullBundle,
  receiveBundle,
  showBundle,
  showTask,
  showVdisk,
  type TaskView,
  uploadVdisk,
} from '../../../src/control/index.ts';
import { MAX_DESCRIPTION_LENGTH } from '../../../src/control/limits.ts';
import { Fault } from '../../../src/errors/index.ts';
import { type FakeService, fakeService, kinds, START, withVdisk } from './support/fake-service.ts';
import { contentId, headOf, headVersion } from './support/fake-transfers.ts';

let service: FakeService;
const never = new AbortController().signal;
const TOKEN = 'the-secret-of-the-other-server';

beforeEach(() => {
  service = fakeService({ consolidateBeyond: 0 });
});

async function* pieces(...texts: readonly (string | Error)[]): AsyncGenerator<Buffer> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
  }
}

async function ended(task: TaskView): Promise<TaskView> {
  await service.control.tasks.settled(task.id);
  return showTask(service.control, task.id);
}

const pull = (more: object = {}) =>
  pullBundle(service.control, {
    ...{ from: 'https://rack-2:8480/', vdisk: 'debian', token: TOKEN },
    ...more,
  });

const numbersOf = (name: string) =>
  showVdisk(service.control, name).versions.map(({ number }) => number);

describe('an upload', () => {
  test('is kept in a file, imported from there, and the file goes', async () => {
    service.images.instant = false;
    const image = { pieces: pieces('an ', 'image'), length: 8 };
    const started = await uploadVdisk(service.control, { name: 'debian', format: 'raw' }, image);
    expect(started).toMatchObject({ kind: 'vdisk.import', state: 'running', percent: 50 });
    const [pending] = service.images.pending;
    expect(pending?.request).toMatchObject({ path: '/uploads/1', format: 'raw' });
    expect(service.transfers.spooled.get('/uploads/1')?.toString()).toBe('an image');
    pending?.progress({ bytesDone: 1, bytesTotal: 2 });
    expect(showTask(service.control, started.id).percent).toBe(75);
    pending?.finish();
    const { state, result } = await ended(started);
    expect(state).toBe('succeeded');
    expect(result).toMatchObject({ name: 'debian', production: 1 });
    expect(service.transfers.spooled.size).toBe(0);
    expect(kinds(service)).toEqual(['vdisk.import-started', 'vdisk.imported']);
  });

  test('goes also when the import fails', async () => {
    service.images.instant = false;
    const image = { pieces: pieces('no image'), length: undefined };
    const started = await uploadVdisk(service.control, { name: 'debian' }, image);
    service.images.pending[0]?.fail(new Fault('IMAGE_INVALID', 'no image'));
    expect(await ended(started)).toMatchObject({ error: { code: 'IMAGE_INVALID' } });
    expect(service.transfers.spooled.size).toBe(0);
  });

  test('that breaks off is told to whoever sent it, and to the task', async () => {
    const broken = new Fault('CANCELLED', 'the client went away');
    const image = { pieces: pieces('half', broken), length: 8 };
    const uploading = uploadVdisk(service.control, { name: 'debian' }, image);
    await expect(uploading).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(listTasks(service.control)).toMatchObject([{ state: 'cancelled' }]);
    expect(listVdisks(service.control)).toEqual([]);
    expect(kinds(service)).toEqual(['vdisk.import-started', 'vdisk.import-cancelled']);
  });

  test('for a name that is taken, or being imported, is refused before a byte is asked for', async () => {
    await withVdisk(service);
    let asked = 0;
    const unread = {
      length: 8,
      pieces: (async function* () {
        asked += 1;
        yield Buffer.from('x');
      })(),
    };
    const upload = (name: string) => uploadVdisk(service.control, { name }, unread);
    await expect(upload('debian')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    service.images.instant = false;
    importVdisk(service.control, { name: 'other', path: '/x' });
    await expect(upload('other')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(upload('No Name')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(asked).toBe(0);
    await service.control.tasks.close();
  });
});

describe('a bundle that is received', () => {
  test('becomes a vDisk with its versions and their layers', async () => {
    service.transfers.head = headOf([
      headVersion(3, { parentNumber: undefined, state: 'test' }),
      headVersion(7, { parentNumber: 3 }),
    ]);
    const task = await receiveBundle(service.control, {}, pieces('x'), never);
    expect(task).toMatchObject({
      ...{ kind: 'bundle.import', subject: 'vdisk/debian', state: 'succeeded' },
      result: { added: [3, 7], present: [], chunksReceived: 7, chunksLocal: 2 },
    });
    expect(showVdisk(service.control, 'debian')).toMatchObject({
      ...{ description: 'from elsewhere', production: 7, bootable: true },
      versions: [
        {
          ...{ number: 3, state: 'test', parent: null, contentId: contentId(3), depth: 1 },
          ...{ description: 'number 3', kernelArguments: 'quiet', format: 'bundle' },
          ...{ createdAt: '2025-06-01T00:00:00.000Z', sealedAt: '2026-01-02T03:04:05.000Z' },
          ...{ kernel: 'vmlinuz', rootPartition: 'p1', initramfs: 'dracut', releaseAt: null },
        },
        { number: 7, state: 'production', parent: 3, depth: 2, dataBytes: 1000, ownBytes: 100 },
      ],
    });
    const { catalog } = service.control;
    const [vdisk] = catalog.vdisks.all();
    expect(catalog.versions.byNumber(vdisk?.id ?? '', 7)?.bootFiles.given).toBe(true);
    // The next one here is none of those that the other server gave away.
    expect(beginVersion(service.control, 'debian', {}).number).toBe(8);
    expect(kinds(service)).toContain('bundle.import-started');
    expect(service.told.find(({ kind }) => kind === 'vdisk.received')).toMatchObject({
      message: 'versions 3, 7 of vDisk debian came from an upload',
    });
  });

  test('may have another name here', async () => {
    await withVdisk(service);
    await receiveBundle(service.control, { name: 'copy' }, pieces('x'), never);
    expect(numbersOf('copy')).toEqual([1, 2]);
    expect(numbersOf('debian')).toEqual([1]);
  });

  test('stands on what has taken the place of a layer meanwhile', async () => {
    await withVdisk(service);
    service.transfers.received = {
      layers: [
        {
          ...{ layerId: 'new', volumeId: 'new', contentId: contentId(2), size: 2 ** 41 },
          ...{ dataBytes: 1, ownBytes: 1, parentId: 'layer-1' },
        },
      ],
      versions: [1, 2].map((number) => ({
        number,
        layerId: number === 1 ? 'layer-1' : 'new',
        bootFiles: NO_BOOT_FILES,
      })),
    };
    service.transfers.whileReceiving = async () => {
      const { layers, versions } = service.control.catalog;
      const old = layers.byId('layer-1');
      if (old === undefined) throw new Error('no layer');
      layers.insert({ ...old, id: 'merged', volumeId: 'merged' });
      versions.moveToLayer('layer-1', 'merged');
      layers.replace('layer-1', 'merged');
    };
    await receiveBundle(service.control, { name: 'copy' }, pieces('x'), never);
    const { layers } = service.control.catalog;
    expect(layers.chain('new').map(({ id }) => id)).toEqual(['merged', 'new']);
    const { versions } = showVdisk(service.control, 'copy');
    expect(versions.map(({ layerId }) => layerId)).toEqual(['merged', 'new']);
    expect(layers.byId('layer-1')).toBeUndefined();
  });

  test('says what is in it before it is imported', async () => {
    service.transfers.head = headOf([headVersion(1, { sent: false, bootFiles: undefined })]);
    const view = await showBundle(service.control, { kind: 'file', path: '/b' }, never);
    expect(view).toEqual({
      ...{ name: 'debian', description: 'from elsewhere', chunks: 'lacking' },
      versions: [
        {
          ...{ number: 1, state: 'production', contentId: contentId(1), size: 2 ** 30 },
          ...{ parent: null, sent: false, here: false, format: 'qcow2', kernel: null },
          ...{ description: 'number 1', createdAt: '2025-06-01T00:00:00.000Z' },
        },
      ],
    });
  });

  test('from a file of the server is a task that goes on by itself', async () => {
    const task = await importBundle(service.control, { path: '/b.rcb' }, never);
    expect(task.state).toBe('running');
    expect(await ended(task)).toMatchObject({ state: 'succeeded', result: { added: [1, 2] } });
    expect(service.transfers.origins).toEqual([{ kind: 'file', path: '/b.rcb' }]);
  });
});

describe('an update', () => {
  beforeEach(async () => {
    await receiveBundle(service.control, {}, pieces('x'), never);
  });

  test('is nothing that happens unasked', async () => {
    const again = receiveBundle(service.control, {}, pieces('x'), never);
    await expect(again).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      details: { field: 'vdisk.name' },
    });
    expect(() => pull()).toThrow(expect.objectContaining({ code: 'ALREADY_EXISTS' }));
  });

  test('adds what is new, and passes over what is here', async () => {
    service.transfers.head = headOf([1, 2, 3].map((number) => headVersion(number)));
    service.transfers.received = {
      layers: [
        {
          ...{ layerId: 'third', volumeId: 'third', contentId: contentId(3), size: 2 ** 30 },
          ...{ dataBytes: 1, ownBytes: 1, parentId: 'received-2' },
        },
      ],
      versions: [1, 2, 3].map((number) => ({
        number,
        layerId: number === 3 ? 'third' : `received-${number}`,
        bootFiles: NO_BOOT_FILES,
      })),
    };
    const task = await receiveBundle(service.control, { update: true }, pieces('x'), never);
    expect(task.result).toMatchObject({ added: [3], present: [1, 2] });
    expect(numbersOf('debian')).toEqual([1, 2, 3]);
  });

  test('with nothing new leaves no layer behind', async () => {
    service.transfers.received = {
      layers: [
        {
          ...{ layerId: 'again', volumeId: 'again', contentId: contentId(2), size: 2 ** 30 },
          ...{ dataBytes: 1, ownBytes: 1, parentId: undefined },
        },
      ],
      versions: [],
    };
    const task = await receiveBundle(service.control, { update: true }, pieces('x'), never);
    expect(task.result).toMatchObject({ added: [], present: [1, 2] });
    expect(service.control.catalog.layers.byId('again')).toBeUndefined();
    expect(service.images.removed).toEqual(['again']);
  });

  test.each([
    ['with another content', headVersion(2, { contentId: contentId(9) }), 'ALREADY_EXISTS'],
    ['that is in maintenance here', headVersion(3), 'ALREADY_EXISTS'],
  ])('is refused for a number %s', async (_what, version, code) => {
    beginVersion(service.control, 'debian', {});
    service.transfers.head = headOf([headVersion(1), version]);
    const refused = receiveBundle(service.control, { update: true }, pieces('x'), never);
    await expect(refused).rejects.toMatchObject({ code, details: { value: version.number } });
    expect(service.transfers.origins).toHaveLength(1); // the first one only
  });
});

describe('nothing is kept', () => {
  async function refused(head = service.transfers.head): Promise<Fault> {
    service.transfers.head = head;
    const error: unknown = await receiveBundle(service.control, {}, pieces('x'), never).catch(
      (reason: unknown) => reason,
    );
    if (!(error instanceof Fault)) throw error;
    expect(listVdisks(service.control)).toEqual([]);
    expect(service.control.catalog.layers.all()).toEqual([]);
    return error;
  }

  const withBoot = (more: object) =>
    headVersion(1, { bootFiles: Object.assign({}, headVersion(1).bootFiles, more) });

  test.each([
    ['a name', headOf(), { name: 'No Name' }],
    ['a number', headOf([headVersion(0, { parentNumber: undefined })]), {}],
    ['a state', headOf([headVersion(1, { state: 'deleting' })]), {}],
    ['kernel arguments', headOf([headVersion(1, { kernelArguments: 'a && reboot' })]), {}],
    ['a description', headOf([headVersion(1, { description: 'x'.repeat(501) })]), {}],
    ['a partition', headOf([withBoot({ rootPartition: 'p1 init=/bin/sh' })]), {}],
    ['a file system', headOf([withBoot({ rootFilesystem: 'ext4 rw' })]), {}],
  ])('of a bundle with %s that nobody could have typed here', async (_what, head, more) => {
    expect(MAX_DESCRIPTION_LENGTH).toBe(500);
    expect(await refused({ ...head, ...more })).toMatchObject({ code: 'INVALID_INPUT' });
    expect(service.transfers.origins).toEqual([]);
  });

  test('when the name was taken while it came', async () => {
    service.transfers.whileReceiving = () => withVdisk(service);
    const error: unknown = await receiveBundle(service.control, {}, pieces('x'), never).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(service.transfers.keepFailure).toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(numbersOf('debian')).toEqual([1]);
    expect(service.control.catalog.layers.all()).toHaveLength(1);
    expect(kinds(service).at(-1)).toBe('bundle.import-failed');
  });

  test('when it is cancelled by its task', async () => {
    service.transfers.whileReceiving = (_progress, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        const [task] = listTasks(service.control);
        cancelTask(service.control, task?.id ?? '');
      });
    expect(await refused()).toMatchObject({ code: 'CANCELLED' });
    expect(listTasks(service.control)).toMatchObject([{ state: 'cancelled' }]);
    expect(kinds(service).at(-1)).toBe('bundle.import-cancelled');
  });
});

describe('a pull', () => {
  test('asks for what is lacking here, with what is here', async () => {
    await withVdisk(service, 'other');
    const task = await ended(pull({ versions: [1, 2] }));
    expect(task).toMatchObject({
      kind: 'bundle.pull',
      subject: 'vdisk/debian',
      state: 'succeeded',
    });
    expect(service.transfers.origins).toEqual([
      {
        ...{ kind: 'server', url: 'https://rack-2:8480', token: TOKEN, vdisk: 'debian' },
        ...{ versions: [1, 2], has: new Set(['ab'.repeat(32)]) },
      },
    ]);
    expect(numbersOf('debian')).toEqual([1, 2]);
  });

  test('keeps the token to itself, however it ends', async () => {
    await ended(pull());
    await deleteVdisk(service.control, 'debian');
    service.transfers.whileReceiving = () => Promise.reject(new Fault('UNAVAILABLE', 'away'));
    await ended(pull());
    const said = JSON.stringify([
      listTasks(service.control),
      service.told,
      service.control.catalog.tasks.all(),
    ]);
    expect(said).toContain('bundle.pull');
    expect(said).not.toContain(TOKEN);
  });

  test.each([
    'rack-2:8480',
    'ftp://rack-2',
    'https://admin:secret@rack-2',
    'https://admin@rack-2',
    '',
  ])('from %s is refused', (from) => {
    let error: unknown;
    try {
      pull({ from });
    } catch (reason) {
      error = reason;
    }
    expect(error).toMatchObject({ code: 'INVALID_INPUT', details: { field: 'from' } });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  test('is one at a time for a vDisk', async () => {
    const gate = Promise.withResolvers<void>();
    service.transfers.whileReceiving = () => gate.promise;
    const first = pull();
    expect(() => pull()).toThrow(expect.objectContaining({ code: 'IN_USE' }));
    expect(() => pull({ name: 'copy' })).not.toThrow();
    gate.resolve();
    expect(await ended(first)).toMatchObject({ state: 'succeeded' });
    await service.control.tasks.close();
  });

  test('keeps no time that lies in the future', async () => {
    service.transfers.head = headOf([
      headVersion(1, { createdAt: '2099-01-01T00:00:00.000Z' }),
      headVersion(2, { createdAt: 'yesterday' }),
    ]);
    await ended(pull());
    for (const { createdAt } of showVdisk(service.control, 'debian').versions) {
      expect(Date.parse(createdAt)).toBe(START);
    }
  });
});
