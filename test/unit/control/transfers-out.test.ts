/** What leaves the server: which versions, standing on which, and what is said of it. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  beginVersion,
  deleteVersion,
  exportBundle,
  exportVersion,
  openBundle,
  openChunks,
  openVersionContent,
  sealVersion,
  showInventory,
  showTask,
  showVdisk,
  type TaskView,
} from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import { type FakeService, fakeService, kinds, withVdisk } from './support/fake-service.ts';

let service: FakeService;
const never = new AbortController().signal;

beforeEach(async () => {
  service = fakeService({ consolidateBeyond: 0 });
  await withVdisk(service);
});

/** Another version, made from the one given or the newest. */
async function derive(from?: number): Promise<number> {
  const { number, ...version } = beginVersion(service.control, 'debian', from ? { from } : {});
  expect(version.state).toBe('maintenance');
  const id = service.control.catalog.versions.inMaintenance()[0]?.id ?? '';
  const layerId = 'layer-1';
  service.dataPlane.overlays.set(id, { layerId, usedBytes: 4096, isOpen: false }); // it was booted
  const task = sealVersion(service.control, 'debian', number);
  await service.control.tasks.settled(task.id);
  return number;
}

async function ended(task: TaskView): Promise<TaskView> {
  await service.control.tasks.settled(task.id);
  return showTask(service.control, task.id);
}

async function taken(pieces: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString();
}

describe('an export into a file of the server', () => {
  test('is a task, and tells what it wrote', async () => {
    const input = { path: '/exports/d.qcow2', format: 'qcow2', compress: false } as const;
    const task = await ended(exportVersion(service.control, 'debian', 1, input));
    expect(task).toMatchObject({
      kind: 'version.export',
      subject: 'vdisk/debian/1',
      state: 'succeeded',
      result: { path: '/exports/d.qcow2', length: 8 },
    });
    expect(service.transfers.exported).toEqual([
      {
        ...{ layerId: 'layer-1', format: 'qcow2', compress: false, parent: undefined },
        ...{ path: '/exports/d.qcow2', overwrite: false },
      },
    ]);
    expect(kinds(service).at(-1)).toBe('version.exported');
  });

  test('that fails is a failed task, and no event says that it was exported', async () => {
    service.transfers.fail = new Fault('NO_SPACE', 'full');
    const task = exportVersion(service.control, 'debian', 1, { path: '/d', format: 'raw' });
    expect(await ended(task)).toMatchObject({ state: 'failed', error: { code: 'NO_SPACE' } });
    expect(kinds(service)).not.toContain('version.exported');
  });

  test('of differences names the parent’s file as a download would', async () => {
    await derive();
    const input = { path: '/d.vhd', format: 'vhd', parent: 1 } as const;
    await ended(exportVersion(service.control, 'debian', 2, input));
    await ended(exportVersion(service.control, 'debian', 2, { ...input, parentFile: 'base.vhd' }));
    expect(service.transfers.exported.map(({ parent }) => parent)).toEqual([
      { layerId: 'layer-1', fileName: 'debian-1.vhd' },
      { layerId: 'layer-1', fileName: 'base.vhd' },
    ]);
  });

  test.each([
    ['compress', { format: 'raw', compress: true }],
    ['parent', { format: 'qcow2', parent: 1 }],
    ['parent', { format: 'vhd', parent: 2 }],
    ['parentFile', { format: 'vhd', parentFile: 'x.vhd' }],
  ] as const)('is refused at once for a wrong %s', async (field, input) => {
    await derive();
    expect(() => exportVersion(service.control, 'debian', 2, { path: '/d', ...input })).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        details: expect.objectContaining({ field }),
      }),
    );
    expect(service.control.tasks.runningCount()).toBe(0);
  });

  test('is for sealed versions', () => {
    beginVersion(service.control, 'debian', {});
    const input = { path: '/d', format: 'raw' } as const;
    expect(() => exportVersion(service.control, 'debian', 2, input)).toThrow(
      expect.objectContaining({ code: 'IN_USE' }),
    );
    expect(() => exportVersion(service.control, 'debian', 3, input)).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
  });
});

describe('a download of a version', () => {
  test('is told when it begins and when all of it was taken', async () => {
    const before = service.told.length;
    const input = { format: 'vhd' } as const;
    const { fileName, stream } = await openVersionContent(
      service.control,
      ...(['debian', 1, input, never] as const),
    );
    expect({ fileName, length: stream.length }).toEqual({ fileName: 'debian-1.vhd', length: 8 });
    expect(await taken(stream.pieces)).toBe('an image');
    await stream.close();
    expect(service.transfers.open).toBe(0);
    expect(kinds(service).slice(before)).toEqual(['version.download-started', 'version.exported']);
    expect(service.told.at(-1)).toMatchObject({ data: { format: 'vhd', bytes: 8 } });
  });

  test('that is given up is not told as exported', async () => {
    const input = { format: 'raw' } as const;
    const { stream } = await openVersionContent(
      service.control,
      ...(['debian', 1, input, never] as const),
    );
    for await (const piece of stream.pieces) {
      expect(piece.toString()).toBe('an ');
      break;
    }
    await stream.close();
    expect(kinds(service).at(-1)).toBe('version.download-started');
  });
});

describe('a bundle', () => {
  const all = { versions: undefined, has: [], chunks: 'lacking' } as const;

  test('has all sealed versions, each standing on the one that it was made from', async () => {
    await derive();
    await derive(1);
    await derive(3);
    beginVersion(service.control, 'debian', {});
    await openBundle(service.control, 'debian', all, never);
    const [bundle] = service.transfers.bundled;
    expect(bundle).toMatchObject({ name: 'debian', chunks: 'lacking', has: new Set() });
    expect(bundle?.versions.map(({ number, parentNumber }) => [number, parentNumber])).toEqual([
      [1, undefined],
      [2, 1],
      [3, 1],
      [4, 3],
    ]);
    expect(bundle?.versions[1]).toMatchObject({
      ...{ state: 'test', layerId: 'layer-2', createdAt: '2026-01-02T03:04:05.000Z' },
      bootFiles: { kernel: 'vmlinuz' },
    });
  });

  test('of some versions stands on the nearest that is in it', async () => {
    await derive();
    await derive();
    await derive();
    await openBundle(service.control, 'debian', { ...all, versions: [4, 1, 4] }, never);
    const versions = service.transfers.bundled[0]?.versions;
    expect(versions?.map(({ number, parentNumber }) => [number, parentNumber])).toEqual([
      [1, undefined],
      [4, 1],
    ]);
  });

  test('stands on what its layer stands on where its origin is forgotten', async () => {
    await derive();
    await derive();
    await deleteVersion(service.control, 'debian', 2);
    const { versions: kept } = showVdisk(service.control, 'debian');
    expect(kept.map(({ number, parent }) => [number, parent])).toEqual([
      [1, null],
      [3, null],
    ]);
    await openBundle(service.control, 'debian', all, never);
    const versions = service.transfers.bundled[0]?.versions;
    expect(versions?.map(({ number, parentNumber }) => [number, parentNumber])).toEqual([
      [1, undefined],
      [3, 1],
    ]);
  });

  test('is refused for versions that are not there, or not to be sent', async () => {
    await derive();
    service.dataPlane.openLayers.add('layer-2');
    await deleteVersion(service.control, 'debian', 2); // a reader has it open
    const open = (versions: number[]) =>
      openBundle(service.control, 'debian', { ...all, versions }, never);
    await expect(open([2])).rejects.toMatchObject({ code: 'IN_USE', details: { value: 2 } });
    await expect(open([9])).rejects.toMatchObject({ code: 'NOT_FOUND' });
    beginVersion(service.control, 'debian', {});
    await expect(open([3])).rejects.toMatchObject({ code: 'IN_USE' });
    await openBundle(service.control, 'debian', all, never);
    expect(service.transfers.bundled[0]?.versions.map(({ number }) => number)).toEqual([1]);
  });

  test('goes into a file of the server by a task', async () => {
    const has = ['ab'.repeat(32)];
    const input = { path: '/d.rcb', versions: [1], has };
    const task = await ended(exportBundle(service.control, 'debian', input));
    expect(task).toMatchObject({
      ...{ kind: 'bundle.export', subject: 'vdisk/debian', state: 'succeeded' },
      result: { path: '/d.rcb', length: 8 },
    });
    expect(service.transfers.bundled[0]?.has).toEqual(new Set(has));
    expect(service.told.at(-1)).toMatchObject({
      kind: 'bundle.exported',
      data: { versions: [1], path: '/d.rcb', bytes: 8 },
    });
  });
});

describe('what another server asks', () => {
  test('chunks are looked for in the versions that it names', async () => {
    await derive();
    const request = Buffer.from('hashes');
    await openChunks(service.control, 'debian', [2], request, never);
    await openChunks(service.control, 'debian', undefined, request, never);
    expect(service.transfers.asked).toEqual([
      { request, layerIds: ['layer-2'] },
      { request, layerIds: ['layer-1', 'layer-2'] },
    ]);
  });

  test('the inventory leaves out what is damaged, or stands on it', async () => {
    const { catalog } = service.control;
    expect(showInventory(service.control)).toEqual({ contentIds: ['ab'.repeat(32)] });
    await derive();
    catalog.layers.checked('layer-1', 1, 3);
    expect(showInventory(service.control)).toEqual({ contentIds: [] });
  });
});
