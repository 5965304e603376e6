/** What the service does with the journals of the process before it. */
import { copyFile, open as openFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { type BlockDevice, PLAIN, ZeroDevice } from '../../../src/block/index.ts';
import {
  damageEvent,
  type FlushJournals,
  openFlushJournals,
} from '../../../src/service/flush-journals.ts';
import { type Generation, OverlayBook } from '../../../src/service/overlay-book.ts';
import type { Repository } from '../../../src/service/repository.ts';
import {
  type FlushJournal,
  JOURNAL_SEGMENT_LEAST_BYTES,
  openOverlay,
} from '../../../src/vdisk/index.ts';
import { preparedJournal } from '../../support/prepared-journal.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const LAYER = '99999999-aaaa-4bbb-8ccc-dddddddddddd';
const MACHINES = ['11111111-2222-4333-8444-555555555555', '66666666-2222-4333-8444-555555555555'];
const [FIRST = '', SECOND = ''] = MACHINES;
const SIZE = 2 ** 20;
const BYTES = 2 * JOURNAL_SEGMENT_LEAST_BYTES;
const BLOCK = 4096;

const owner = (ownerId: string) => ({
  ownerId,
  layerId: LAYER,
  layerIds: new Set([LAYER]),
  quotaBytes: undefined,
});

describe('flush journals', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let repository: Repository;
  let boot: number;
  let closers: (() => Promise<void>)[];

  beforeEach(async () => {
    folder = await temporaryFolder('journals');
    boot = 1;
    closers = [];
    repository = {
      volumes: await LocalVolumeControl.attach(folder.path),
      data: new LocalVolumeData({ log: { warn: () => undefined } }),
    };
  });

  afterEach(async () => {
    for (const close of closers.reverse()) await close();
    await folder.remove();
  });

  const open = (workers = 1, bytes = BYTES): Promise<FlushJournals> =>
    openFlushJournals({ repository, bootId: `boot-${boot}`, workers, bytes });

  const openBook = (journals: FlushJournals, workers = 1): Promise<OverlayBook> =>
    OverlayBook.open({
      repository,
      bootId: `boot-${boot}`,
      workers,
      layers: { resolve: (layerId) => layerId, sizeOf: () => SIZE },
      owners: new Set(MACHINES),
      sealed: new Set(),
      unrestored: journals.unrestored,
    });

  const journalNames = async (): Promise<string[]> =>
    (await repository.volumes.listVolumes())
      .map(({ id }) => id)
      .filter((id) => id.startsWith('journal'));

  const path = (volume: string): string => join(folder.path, `${volume}.volume`);

  async function openDisk(
    { state, data, map }: Generation,
    journal?: FlushJournal,
  ): Promise<BlockDevice> {
    return openOverlay({
      state,
      base: new ZeroDevice(SIZE),
      data: await repository.data.open(data, { write: true }),
      map: await repository.data.open(map, { write: true }),
      worker: 0,
      onFull: () => undefined,
      journal: journal && { journal, key: data.volume },
    });
  }

  async function openJournal(journals: FlushJournals): Promise<FlushJournal> {
    const [first, second] = journals.ofWorker(0) ?? [];
    if (first === undefined || second === undefined) throw new Error('no journal');
    const segments: [BlockDevice, BlockDevice] = [
      await repository.data.open(first, { write: true }),
      await repository.data.open(second, { write: true }),
    ];
    return preparedJournal(segments, `boot-${boot}`, () => undefined);
  }

  /** Flushes a block of every machine through the journal, then the host dies and forgets the rest. */
  async function crash(value: number, oneByOne = false): Promise<void> {
    const journals = await open();
    const overlays = await openBook(journals);
    const journal = await openJournal(journals);
    const generations = await Promise.all(MACHINES.map((id) => overlays.use(owner(id))));
    const disks = await Promise.all(generations.map((each) => openDisk(each, journal)));
    const volumes = generations.flatMap(({ data, map }) => [data.volume, map.volume]);
    for (const disk of disks) await disk.flush();
    for (const volume of volumes) await copyFile(path(volume), join(folder.path, `${volume}.kept`));
    for (const disk of disks) await disk.write(Buffer.alloc(BLOCK, value), BLOCK, PLAIN);
    if (oneByOne) for (const disk of disks) await disk.flush();
    else await Promise.all(disks.map((disk) => disk.flush()));
    for (const volume of volumes) await copyFile(join(folder.path, `${volume}.kept`), path(volume));
    // A checkpoint must not reach the files any more: their handles stay open until the end.
    closers.push(async () => {
      for (const disk of disks) await disk.close();
      await journal.close();
    });
    boot += 1;
  }

  async function byteOf(book: OverlayBook, machineId: string): Promise<number> {
    const disk = await openDisk(await book.use(owner(machineId)));
    const byte = Buffer.alloc(1);
    await disk.read(byte, BLOCK);
    await disk.close();
    return byte[0] ?? -1;
  }

  test('are two volumes for each worker, with names that were never used', async () => {
    const journals = await open(3);
    expect(await journalNames()).toHaveLength(6);
    expect([0, 1, 2].map((worker) => journals.ofWorker(worker)?.length)).toEqual([2, 2, 2]);
    expect(journals.ofWorker(3)).toBeUndefined();
    const before = await journalNames();
    await open(1);
    const after = await journalNames();
    expect(after).toHaveLength(2);
    expect(after.filter((name) => before.includes(name))).toEqual([]);
    const volumes = await repository.volumes.listVolumes();
    for (const { size } of volumes) expect(size).toBe(JOURNAL_SEGMENT_LEAST_BYTES);
  });

  test('are none where the setting says 0', async () => {
    await open(2);
    const journals = await open(2, 0);
    expect(journals.ofWorker(0)).toBeUndefined();
    expect(await journalNames()).toEqual([]);
  });

  test('that would be too small are refused by the name of the setting', async () => {
    await open();
    const before = await journalNames();
    for (const bytes of [1, BYTES - 1]) {
      await expect(open(1, bytes)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('cache.journal'),
        details: { field: 'cache.journal', value: bytes, expected: expect.stringContaining('0') },
      });
    }
    expect(await journalNames()).toEqual(before);
    await open(1, BYTES + 1);
  });

  test.each([
    ['as many workers', 1, BYTES],
    ['more workers', 4, BYTES],
    ['no journals', 1, 0],
  ])('give back what was flushed, to a service with %s', async (_, workers, bytes) => {
    await crash(7);
    const before = await journalNames();
    const journals = await open(workers, bytes);
    expect(journals.unrestored.size).toBe(0);
    expect((await journalNames()).filter((name) => before.includes(name))).toEqual([]);
    const book = await openBook(journals, workers);
    expect(await byteOf(book, FIRST)).toBe(7);
    expect(await byteOf(book, SECOND)).toBe(7);
  });

  test('mean nothing to overlays that are gone', async () => {
    await crash(7);
    await repository.volumes.deleteVolume(`overlay.${FIRST}.1.${LAYER}.data`);
    await repository.volumes.deleteVolume(`overlay.${SECOND}.1.${LAYER}.map`);
    const before = await journalNames();
    const journals = await open();
    expect(journals.unrestored.size).toBe(0);
    expect((await journalNames()).filter((name) => before.includes(name))).toEqual([]);
    const book = await openBook(journals);
    expect([await byteOf(book, FIRST), await byteOf(book, SECOND)]).toEqual([0, 0]);
  });

  test('that were only half made are swept', async () => {
    await open();
    const [name = ''] = await journalNames();
    await truncate(path(name), 0);
    const journals = await open();
    expect(journals.unrestored.size).toBe(0);
    expect(await journalNames()).toHaveLength(2);
    expect(await journalNames()).not.toContain(name);
  });

  test('go by the size of the disk, not of the volume', async () => {
    await crash(7);
    await truncate(path(`overlay.${FIRST}.1.${LAYER}.data`), SIZE + 3 * BLOCK);
    const journals = await open();
    expect(journals.unrestored.size).toBe(0);
    expect(await byteOf(await openBook(journals), FIRST)).toBe(7);
  });

  describe('in which something is damaged that was on disk', () => {
    /** Changes a byte of the first machine's flushed block, and makes what is behind it the last batch. */
    async function spoil(): Promise<string> {
      const names = await journalNames();
      for (const name of names) {
        const file = await openFile(path(name), 'r+');
        const { size } = await file.stat();
        const bytes = Buffer.alloc(size);
        await file.read(bytes, 0, size, 0);
        const at = bytes.indexOf(Buffer.alloc(BLOCK, 7));
        if (at >= 0) await file.write(Buffer.from([8]), 0, 1, at + 100);
        await file.close();
        if (at >= 0) return name;
      }
      throw new Error('no journal has the flush');
    }

    test('are told, and only the overlay is refused whose flush it was', async () => {
      await crash(7, true);
      const name = await spoil();
      const journals = await open();
      expect(journals.damages).toMatchObject([{ journal: name, claims: [{ sequence: 1 }] }]);
      const [key = ''] = journals.unrestored.keys();
      expect(journals.unrestored.size).toBe(1);
      const [damage] = journals.damages;
      expect(damage?.claims[0]?.key).toBe(key);
      expect(damage && damageEvent(damage)).toMatchObject({
        kind: 'service.journal-damaged',
        message: expect.stringContaining(key.replace('.data', '')),
        data: { journal: name, writeCaches: [key.replace('.data', '')] },
      });
      expect(journals.unrestored.get(key)).toMatchObject({
        errno: 'EIO',
        message: expect.stringContaining(`damaged in ${name}`),
      });
      const book = await openBook(journals);
      const bytes: unknown[] = [];
      for (const machine of MACHINES) {
        bytes.push(await byteOf(book, machine).catch((error: { code: string }) => error.code));
      }
      expect(bytes.sort()).toEqual([7, 'UNAVAILABLE']);
      // Kept, for whoever can still save it; and told again at the next start.
      expect(await journalNames()).toContain(name);
      expect((await open()).damages).toHaveLength(1);
    });

    test('are told, and nobody is refused, when the host did not die', async () => {
      await crash(7, true);
      boot -= 1;
      await spoil();
      const journals = await open();
      expect(journals.damages).toHaveLength(1);
      expect(journals.unrestored.size).toBe(0);
      expect((await open()).damages).toEqual([]);
    });
  });

  describe('that could not be put into an overlay', () => {
    const broken = `overlay.${FIRST}.1.${LAYER}.map`;
    let before: string[];

    beforeEach(async () => {
      await crash(7);
      before = await journalNames();
      await copyFile(path(broken), join(folder.path, 'mended'));
      await truncate(path(broken), 100);
    });

    test('are kept, and that machine is refused and told why', async () => {
      const journals = await open();
      const data = `overlay.${FIRST}.1.${LAYER}.data`;
      expect([...journals.unrestored.keys()]).toEqual([data]);
      expect(await journalNames()).toEqual(expect.arrayContaining(before));
      expect(await journalNames()).toHaveLength(4);
      const book = await openBook(journals);
      const refusal = await book.use(owner(FIRST)).catch((error: unknown) => error);
      expect(refusal).toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/flush journal.*log.*reset/),
        details: { field: 'overlay', value: data },
        cause: journals.unrestored.get(data),
      });
      expect(await byteOf(book, SECOND)).toBe(7);
    });

    test('go into it when its trouble is mended, and over nothing that was flushed since', async () => {
      const journals = await open();
      const book = await openBook(journals);
      const disk = await openDisk(await book.use(owner(SECOND)), await openJournal(journals));
      await disk.write(Buffer.alloc(BLOCK, 8), BLOCK, PLAIN);
      await disk.flush();
      await disk.write(Buffer.alloc(BLOCK, 9), BLOCK, PLAIN);
      await disk.flush();
      await disk.close();
      await copyFile(join(folder.path, 'mended'), path(broken));
      boot += 1;
      const again = await open();
      expect(again.unrestored.size).toBe(0);
      expect((await journalNames()).filter((name) => before.includes(name))).toEqual([]);
      expect(await journalNames()).toHaveLength(2);
      const mended = await openBook(again);
      expect([await byteOf(mended, FIRST), await byteOf(mended, SECOND)]).toEqual([7, 9]);
    });

    test('are given up when the machine is reset', async () => {
      const book = await openBook(await open());
      await book.renew(owner(FIRST));
      expect(await byteOf(book, FIRST)).toBe(0);
      const again = await open();
      expect(again.unrestored.size).toBe(0);
      expect(await journalNames()).toHaveLength(2);
    });
  });
});
