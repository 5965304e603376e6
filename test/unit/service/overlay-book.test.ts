import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import {
  OverlayBook,
  type OverlayOwner,
  type Repository,
} from '../../../src/service/overlay-book.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const BOOT = '00000000-0000-4000-8000-000000000001';
const MACHINE = '11111111-2222-4333-8444-555555555555';

const owner = (over: Partial<OverlayOwner> = {}): OverlayOwner => ({
  machineId: MACHINE,
  layerId: '99999999-aaaa-4bbb-8ccc-dddddddddddd',
  size: 2 ** 20,
  quotaBytes: undefined,
  ...over,
});

describe('overlay book', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let repository: Repository;

  beforeEach(async () => {
    folder = await temporaryFolder('overlays');
    repository = {
      volumes: await LocalVolumeControl.attach(folder.path),
      data: new LocalVolumeData({ log: { warn: () => undefined } }),
    };
  });

  afterEach(() => folder.remove());

  const open = (machineIds: readonly string[] = [MACHINE]): Promise<OverlayBook> =>
    OverlayBook.open({ repository, bootId: BOOT, workers: 2, machineIds: new Set(machineIds) });

  const names = async (): Promise<string[]> =>
    (await repository.volumes.listVolumes())
      .map(({ id }) => id.replace(`overlay.${MACHINE}.`, ''))
      .sort();

  test('a machine has no overlay until somebody opens it, and then one that workers share', async () => {
    const book = await open();
    expect(await names()).toEqual([]);
    const [first, second] = await Promise.all([book.use(owner()), book.use(owner())]);
    expect(second.state).toBe(first.state);
    expect(await names()).toHaveLength(2);
    expect(book.machineOf(first.key)).toBe(MACHINE);
  });

  test('a renewed overlay is a new one; the old one goes when its last reader leaves', async () => {
    const book = await open();
    const old = await book.use(owner());
    await book.use(owner());
    await book.renew(owner());
    const fresh = await book.use(owner());
    expect(fresh.key).not.toBe(old.key);
    expect(await names()).toHaveLength(4);
    await book.released(old.key);
    expect(await names()).toHaveLength(4);
    await book.released(old.key);
    expect(await names()).toHaveLength(2);
    expect(book.machineOf(old.key)).toBeUndefined();
  });

  test('a renewed overlay that nobody has open leaves nothing of the old one', async () => {
    const book = await open();
    const old = await book.use(owner());
    await book.released(old.key);
    await book.renew(owner());
    await book.renew(owner());
    expect(await names()).toHaveLength(2);
  });

  test('a restart finds the newest generation and its layer, and sweeps what a crash left', async () => {
    const before = await open();
    const first = await before.use(owner());
    await before.renew(owner({ layerId: '00000000-1111-4222-8333-444444444444' }));
    // A half-made third generation: the process died between its two volumes.
    await repository.volumes.createVolume({
      id: `overlay.${MACHINE}.3.${owner().layerId}.map`,
      size: 4096,
    });
    expect(await names()).toHaveLength(5);
    const after = await open();
    expect(await names()).toHaveLength(2);
    expect(after.currentLayerId(MACHINE)).toBe('00000000-1111-4222-8333-444444444444');
    const again = await after.use(owner());
    expect(again.number).toBe(2);
    expect(again.key).not.toBe(first.key);
  });

  test('overlays of machines that no longer exist are swept', async () => {
    const book = await open();
    await book.use(owner());
    await open([randomUUID()]);
    expect(await names()).toEqual([]);
  });

  test('removing a machine deletes its overlay at once, or with its last reader', async () => {
    const book = await open();
    const used = await book.use(owner());
    await book.remove(MACHINE);
    expect(await names()).toHaveLength(2);
    await book.released(used.key);
    expect(await names()).toEqual([]);
  });

  test('a volume that cannot be made leaves nothing', async () => {
    const book = await open();
    const { volumes } = repository;
    let made = 0;
    const failing = new Proxy(volumes, {
      get: (target, name) =>
        name === 'createVolume'
          ? async (volume: { id: string; size: number }) => {
              made += 1;
              if (made === 2) throw new Error('no space');
              return target.createVolume(volume);
            }
          : Reflect.get(target, name).bind(target),
    });
    const broken = await OverlayBook.open({
      repository: { ...repository, volumes: failing },
      bootId: BOOT,
      workers: 1,
      machineIds: new Set([MACHINE]),
    });
    await expect(broken.use(owner())).rejects.toThrow('no space');
    expect(await names()).toEqual([]);
    await book.use(owner());
  });
});
