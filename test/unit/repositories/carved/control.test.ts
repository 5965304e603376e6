import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MemoryDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import type { CarvedControl, VolumeData } from '../../../../src/repositories/index.ts';
import {
  attachForTest,
  codeOf,
  errnoOf,
  handle,
  KIB,
  MIB,
  makeVolume,
  memory,
  workerOf,
} from '../../../support/carved.ts';

const EXTENT = 64 * KIB;

describe('the control port of a carved device', () => {
  let device: MemoryDevice;
  let control: CarvedControl;
  let worker: VolumeData;

  beforeEach(async () => {
    device = memory(8 * MIB);
    control = await attachForTest({ device: handle(device), repositoryId: 'r', create: true });
    worker = workerOf(control, () => handle(device));
  });
  afterEach(() => control.close());

  const total = async (): Promise<number> => (await control.space()).total / EXTENT;
  const free = async (): Promise<number> => (await control.space()).free / EXTENT;
  const again = async (): Promise<void> => {
    await control.close();
    control = await attachForTest({ device: handle(device), repositoryId: 'r' });
    worker = workerOf(control, () => handle(device));
  };

  it('makes a volume once for a tag, and says what came of its size', async () => {
    const first = await makeVolume(control, 100_001, { tag: 'one' });
    expect(first.size).toBe(25 * 4096);
    expect(first.thin).toBe(true);
    expect(first.allocated).toBe(0);
    expect(await makeVolume(control, 100_001, { tag: 'one' })).toEqual(first);
    const both = [200_000, 200_000].map((size) => makeVolume(control, size, { tag: 'two' }));
    const [a, b] = await Promise.all(both);
    expect(a).toEqual(b);
    expect((await control.listVolumes({ ownedOnly: true })).items).toHaveLength(2);
    const other = makeVolume(control, 300_000, { tag: 'one' });
    expect(await codeOf(other)).toBe('ALREADY_EXISTS_DIFFERENT');
    expect(await codeOf(makeVolume(control, 100_001, { tag: 'one', thin: false }))).toBe(
      'ALREADY_EXISTS_DIFFERENT',
    );
  });

  it('finds volumes by tag and by id, also after it was attached again', async () => {
    const made = await makeVolume(control, MIB, { tag: 'one' });
    await again();
    const found = await control.findVolume({ tag: 'one' });
    expect(found).toEqual(made);
    expect(await control.findVolume({ ref: made.ref })).toEqual(made);
    expect(await control.findVolume({ tag: 'two' })).toBeUndefined();
    expect(found?.locator).toMatchObject({ adapter: 'test', volume: made.ref.nativeId });
  });

  it('lists in pages', async () => {
    for (let i = 0; i < 510; i++) await makeVolume(control, 4096);
    const first = await control.listVolumes({ ownedOnly: true });
    expect(first.items).toHaveLength(500);
    const cursor = first.cursor ?? '';
    const second = await control.listVolumes({ ownedOnly: true, cursor });
    expect(second.items).toHaveLength(10);
    expect(second.cursor).toBeUndefined();
  });

  it('refuses what cannot be', async () => {
    expect(await codeOf(makeVolume(control, 0))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(makeVolume(control, 1.5))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(makeVolume(control, 16 * MIB))).toBe('OUT_OF_RANGE');
    expect(await codeOf(makeVolume(control, MIB, { tag: '' }))).toBe('INVALID_ARGUMENT');
    expect(await codeOf(makeVolume(control, MIB, { tag: 'ä'.repeat(101) }))).toBe(
      'INVALID_ARGUMENT',
    );
    expect(await codeOf(control.adoptVolume())).toBe('UNSUPPORTED');
    expect(control.info.capabilities.adopt).toBe('no');
  });

  it('lets thin volumes promise more than there is, up to a limit', async () => {
    const size = control.info.limits.sizeMaximum;
    for (let i = 0; i < 20; i++) await makeVolume(control, size);
    expect(await codeOf(makeVolume(control, size))).toBe('NO_SPACE');
    expect((await control.space()).provisioned).toBe(20 * size);
  });

  it('has no more volumes than its checkpoints have room for', async () => {
    const name = 'n'.repeat(200);
    let made = 0;
    let code = '';
    for (; code === '' && made < 1000; made++) {
      const tag = `${made}`.padStart(200, 't');
      const request = { opId: tag, tag, name, size: 4096, thin: true };
      code = await control.createVolume(request).then(
        () => '',
        (error) => error.code,
      );
    }
    expect(code).toBe('LIMIT_REACHED');
    await again();
    expect((await control.listVolumes({ ownedOnly: true })).items).toHaveLength(made - 1);
  });

  it('gives a thick volume all its extents, zeroed', async () => {
    device.write(Buffer.alloc(MIB, 0xaa), 4 * MIB, PLAIN);
    const steps: number[] = [];
    const volume = await control.createVolume(
      { opId: 'o', tag: 't', name: 'n', size: 4 * MIB, thin: false },
      { progress: (fraction) => steps.push(fraction) },
    );
    expect(volume.allocated).toBe(4 * MIB);
    expect(steps.at(-1)).toBe(1);
    const opened = await worker.open(volume.locator, { write: true });
    const content = Buffer.alloc(4 * MIB, 1);
    await opened.read(content, 0);
    expect(content.equals(Buffer.alloc(4 * MIB))).toBe(true);
    // Nothing that is done to it gives an extent back.
    await opened.zero(0, 4 * MIB, PLAIN_ZERO);
    await opened.trim(0, 4 * MIB, PLAIN);
    expect((await control.findVolume({ tag: 't' }))?.allocated).toBe(4 * MIB);
    await opened.close();
    expect(await codeOf(makeVolume(control, 4 * MIB, { thin: false }))).toBe('NO_SPACE');
  });

  it('removes a thick volume whose making is cancelled', async () => {
    const before = await free();
    const stop = new AbortController();
    stop.abort();
    const made = control.createVolume(
      { opId: 'o', tag: 't', name: 'n', size: MIB, thin: false },
      { signal: stop.signal },
    );
    expect(await codeOf(made)).toBe('CANCELLED');
    expect(await control.findVolume({ tag: 't' })).toBeUndefined();
    await again();
    expect(await free()).toBe(before);
  });

  it('deletes what nobody has open, and what is gone already', async () => {
    const volume = await makeVolume(control, MIB);
    const opened = await worker.open(volume.locator, { write: true });
    await opened.write(Buffer.alloc(MIB, 7), 0, PLAIN);
    expect((await control.findVolume({ ref: volume.ref }))?.allocated).toBe(MIB);
    expect(await codeOf(control.deleteVolume({ opId: 'd', ref: volume.ref }))).toBe('IN_USE');
    await opened.close();
    await control.deleteVolume({ opId: 'd', ref: volume.ref });
    await control.deleteVolume({ opId: 'd', ref: volume.ref });
    expect(await free()).toBe(await total());
    expect(await errnoOf(() => worker.open(volume.locator, { write: true }))).toBe('ESTALE');
  });

  it('grows a volume that is open; who has it open keeps its size', async () => {
    const volume = await makeVolume(control, EXTENT + 4096);
    const before = await worker.open(volume.locator, { write: true });
    await before.write(Buffer.alloc(4096, 1), EXTENT, PLAIN);
    const request = { opId: 'r', ref: volume.ref, size: 60 * EXTENT };
    const grown = await control.resizeVolume(request);
    expect(grown.size).toBe(60 * EXTENT);
    expect(before.geometry.size).toBe(EXTENT + 4096);
    const after = await worker.open(volume.locator, { write: true });
    expect(after.geometry.size).toBe(60 * EXTENT);
    await after.write(Buffer.alloc(4096, 2), EXTENT + 4096, PLAIN);
    await after.write(Buffer.alloc(4096, 3), 59 * EXTENT, PLAIN);
    // For the old handle the second extent ends here: what the new one has written behind it stays.
    await before.zero(0, EXTENT + 4096, PLAIN_ZERO);
    const content = Buffer.alloc(8192);
    await after.read(content, EXTENT);
    expect(content).toEqual(Buffer.concat([Buffer.alloc(4096), Buffer.alloc(4096, 2)]));
    await Promise.all([before.close(), after.close()]);
    const smaller = control.resizeVolume({ ...request, size: EXTENT });
    expect(await codeOf(smaller)).toBe('SHRINK_REFUSED');
    expect((await control.resizeVolume(request)).size).toBe(60 * EXTENT);
  });

  it('grows a thick volume, or leaves it as it was', async () => {
    const volume = await makeVolume(control, 3 * EXTENT, { thin: false });
    const grow = (size: number) => control.resizeVolume({ opId: 'r', ref: volume.ref, size });
    expect((await grow(5 * EXTENT)).allocated).toBe(5 * EXTENT);
    await makeVolume(control, ((await free()) - 2) * EXTENT, { thin: false });
    expect(await codeOf(grow(10 * EXTENT))).toBe('NO_SPACE');
    const same = await control.findVolume({ ref: volume.ref });
    expect([same?.size, same?.allocated]).toEqual([5 * EXTENT, 5 * EXTENT]);
    expect(await free()).toBe(2);
  });

  it('says in time that the device is full, and goes on when there is room', async () => {
    const volume = await makeVolume(control, control.info.limits.sizeMaximum);
    const second = await makeVolume(control, MIB);
    const opened = await worker.open(volume.locator, { write: true });
    const other = await workerOf(control, () => handle(device)).open(second.locator, {
      write: true,
    });
    await opened.write(Buffer.alloc(volume.size, 5), 0, PLAIN);
    expect(await free()).toBe(0);
    expect(await errnoOf(() => other.write(Buffer.alloc(4096), 0, PLAIN))).toBe('ENOSPC');
    // Where it is mapped, writes go on.
    expect(await errnoOf(() => opened.write(Buffer.alloc(4096), 8192, PLAIN))).toBe('settled');
    await opened.trim(0, EXTENT, PLAIN);
    const content = Buffer.alloc(EXTENT, 1);
    await other.write(content.subarray(0, 4096), 0, PLAIN);
    await other.read(content, 0);
    expect(content.subarray(4096).equals(Buffer.alloc(EXTENT - 4096))).toBe(true);
    await Promise.all([opened.close(), other.close()]);
  });

  it('does not call the device full for an extent that is being mapped', async () => {
    const filler = await makeVolume(control, control.info.limits.sizeMaximum);
    const volume = await makeVolume(control, MIB);
    const full = await worker.open(filler.locator, { write: true });
    await full.write(Buffer.alloc(filler.size - EXTENT, 5), 0, PLAIN);
    const both = await Promise.all(
      [0, 1].map(() =>
        workerOf(control, () => handle(device)).open(volume.locator, { write: true }),
      ),
    );
    const outcomes = await Promise.all(
      both.map((one, index) =>
        errnoOf(() => one.write(Buffer.alloc(4096, 1 + index), index * 4096, PLAIN)),
      ),
    );
    expect(outcomes).toEqual(['settled', 'settled']);
    expect(await free()).toBe(0);
    await Promise.all([full, ...both].map((one) => one.close()));
  });

  it('answers only questions', async () => {
    const volume = (await makeVolume(control, MIB)).ref.nativeId;
    const odd: unknown[] = [
      undefined,
      null,
      1,
      'open',
      [],
      {},
      { kind: 'open' },
      { kind: 'allocate', volume },
      { kind: 'allocate', volume, extents: [-1] },
      { kind: 'allocate', volume, extents: ['0'] },
      { kind: 'allocate', volume, extents: [16] },
      { kind: 'allocate', volume, extents: Array.from({ length: 257 }, () => 0) },
      { kind: 'free', volume, first: 0 },
      { kind: 'free', volume, first: 2 ** 40, count: 2 ** 40, size: MIB },
    ];
    for (const question of odd) {
      expect(await errnoOf(() => control.answer(question)), JSON.stringify(question)).toBe(
        'EINVAL',
      );
    }
    const gone = { kind: 'allocate', volume: 'gone', extents: [0] };
    expect(await errnoOf(() => control.answer(gone))).toBe('ESTALE');
  });

  it('is in good health until it is not', async () => {
    expect(await control.health()).toEqual({ state: 'good', messages: [], paths: [] });
  });

  it('lets nobody write after it was closed', async () => {
    const volume = await makeVolume(control, MIB);
    const opened = await worker.open(volume.locator, { write: true });
    await opened.write(Buffer.alloc(4096, 1), 0, PLAIN);
    await control.close();
    expect(await errnoOf(() => opened.write(Buffer.alloc(4096), 0, PLAIN))).toBe('ESTALE');
    expect(await codeOf(makeVolume(control, MIB))).toBe('UNREACHABLE');
    await opened.close();
  });
});
