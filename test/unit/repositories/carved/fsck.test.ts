/** Damage that is planted is found, and repaired where nothing must be guessed. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import { encodeCheckpoint } from '../../../../src/repositories/carved/checkpoint.ts';
import { encodeJournalBlock } from '../../../../src/repositories/carved/journal-block.ts';
import { checkpointPlace, journalPlace } from '../../../../src/repositories/carved/layout.ts';
import { readSuperblocks } from '../../../../src/repositories/carved/metadata-io.ts';
import type { MetadataState } from '../../../../src/repositories/carved/metadata-state.ts';
import type { MetadataRecord } from '../../../../src/repositories/carved/records.ts';
import { readMetadata } from '../../../../src/repositories/carved/recover-metadata.ts';
import {
  encodeSuperblock,
  type Superblock,
} from '../../../../src/repositories/carved/superblock.ts';
import { fsckCarved } from '../../../../src/repositories/index.ts';
import {
  attachForTest,
  cancelledAtRead,
  codeOf,
  contentOf,
  handle,
  KIB,
  MIB,
  makeVolume,
  memory,
  workerOf,
} from '../../../support/carved.ts';

const EXTENT = 64 * KIB;

describe('fsck of a carved device', () => {
  let device: MemoryDevice;

  beforeEach(async () => {
    device = memory(8 * MIB);
    const control = await attachForTest({
      device: handle(device),
      repositoryId: 'r',
      create: true,
    });
    for (const tag of ['one', 'two']) {
      const volume = await makeVolume(control, 10 * EXTENT, { tag });
      const opened = await workerOf(control, () => handle(device)).open(volume.locator, {
        write: true,
      });
      for (const at of [0, 3, 9]) await opened.write(Buffer.alloc(EXTENT, at), at * EXTENT, PLAIN);
      await opened.close();
    }
    await control.close();
  });

  const superblock = async (): Promise<Superblock> => {
    const { newest } = await readSuperblocks((to, at) => device.read(to, at), 8 * MIB);
    if (newest === undefined) throw new Error('no superblock');
    return newest;
  };
  const state = async (): Promise<{ state: MetadataState; generation: number; blocks: number }> => {
    const [newest] = (await readMetadata(device, await superblock())).recovered;
    if (newest === undefined) throw new Error('no metadata');
    return { state: newest.state, ...newest.position };
  };
  const codes = async (): Promise<string[]> =>
    (await fsckCarved(device)).findings.map(({ code, severity }) => `${code} ${severity}`);
  const spoil = (at: number): void => device.write(Buffer.alloc(4096, 0x5a), at, PLAIN);
  const attach = async (): Promise<number> => {
    const control = await attachForTest({ device: handle(device), repositoryId: 'r' });
    const volume = await control.findVolume({ tag: 'two' });
    await control.close();
    return (volume?.allocated ?? 0) / EXTENT;
  };
  /** A record that no allocator would write, in a block that looks right. */
  const plant = async (record: MetadataRecord): Promise<void> => {
    const { formatId, region } = await superblock();
    const { generation, blocks } = await state();
    const block = {
      generation,
      index: blocks,
      previousBlocks: 0,
      stable: { generation, blocks: 0 },
      records: [record],
    };
    for (const copy of [0, 1]) {
      const place = journalPlace(region, generation, copy) + blocks * 4096;
      device.write(encodeJournalBlock(block, formatId), place, PLAIN);
    }
  };

  it('finds nothing where nothing is', async () => {
    const report = await fsckCarved(device);
    expect(report).toMatchObject({
      clean: true,
      repaired: false,
      findings: [],
      repositoryId: 'r',
      attached: false,
      volumes: 2,
      extents: { mapped: 6 },
    });
  });

  it('finds a damaged superblock, and writes it anew from the other', async () => {
    for (const place of [0, MIB]) {
      spoil(place);
      expect(await codes()).toEqual(['superblock-copy repairable']);
      expect((await fsckCarved(device, { repair: true })).clean).toBe(true);
      expect(await codes()).toEqual([]);
    }
    expect(await attach()).toBe(3);
  });

  it('finds both superblocks damaged, and touches nothing', async () => {
    spoil(0);
    spoil(MIB);
    const report = await fsckCarved(device, { repair: true });
    expect(report).toMatchObject({ clean: false, repaired: false, repositoryId: undefined });
    const again = attachForTest({ device: handle(device), repositoryId: 'r' });
    expect(await codeOf(again)).toBe('NOT_FOUND');
    const damaged = encodeSuperblock({ ...(await Promise.resolve(made())), owner: 'x' });
    damaged[100] = 1;
    device.write(damaged, 0, PLAIN);
    const frozen = attachForTest({ device: handle(device), repositoryId: 'r', create: true });
    expect(await codeOf(frozen)).toBe('FROZEN');
  });

  it('finds a damaged checkpoint; either one is enough to go on', async () => {
    for (const parity of [0, 1]) {
      const { region } = await superblock();
      spoil(checkpointPlace(region, parity));
      expect(await codes()).toEqual(['checkpoint-copy repairable']);
      expect(await attach()).toBe(3);
      expect(await codes()).toEqual([]);
    }
    const { region } = await superblock();
    spoil(checkpointPlace(region, 0) + 4096);
    expect((await fsckCarved(device, { repair: true })).clean).toBe(true);
    expect(await codes()).toEqual([]);
  });

  it('finds both checkpoints damaged, and attaching is refused', async () => {
    const { region } = await superblock();
    for (const parity of [0, 1]) spoil(checkpointPlace(region, parity));
    expect(await codes()).toEqual([
      'checkpoint-copy repairable',
      'checkpoint-copy repairable',
      'no-checkpoint fatal',
    ]);
    const again = attachForTest({ device: handle(device), repositoryId: 'r' });
    expect(await codeOf(again)).toBe('FROZEN');
  });

  it('finds a block of the journal that is in one copy only', async () => {
    const { region } = await superblock();
    const { generation, blocks } = await state();
    expect(blocks).toBeGreaterThan(1);
    for (const copy of [0, 1]) {
      spoil(journalPlace(region, generation, copy) + copy * 4096);
    }
    // Seen from each of the two checkpoints.
    expect(await codes()).toEqual(['journal-copy repairable', 'journal-copy repairable']);
    expect(await attach()).toBe(3);
    expect(await codes()).toEqual([]);
  });

  it('knows a journal that has lost what was flushed from one that a crash has torn', async () => {
    const { region } = await superblock();
    const { generation } = await state();
    for (const copy of [0, 1]) spoil(journalPlace(region, generation, copy));
    expect(await codes()).toContain('journal-lost fatal');
    const again = attachForTest({ device: handle(device), repositoryId: 'r' });
    expect(await codeOf(again)).toBe('FROZEN');
    expect((await fsckCarved(device, { repair: true })).repaired).toBe(false);
  });

  it('finds an extent that two volumes have', async () => {
    const { state: before } = await state();
    const [first, second] = [...before.volumes.values()];
    const physical = (first?.map.get(0) ?? 0) - 1;
    await plant({ kind: 'map', volume: second?.number ?? 0, logical: 5, physical, count: 1 });
    expect(await codes()).toContain('double-extent fatal');
    expect((await fsckCarved(device, { repair: true })).repaired).toBe(false);
    const again = attachForTest({ device: handle(device), repositoryId: 'r' });
    expect(await codeOf(again)).toBe('FROZEN');
  });

  it('finds extents beyond the end, and leaves them out', async () => {
    const { extentCount } = await superblock();
    const { state: before } = await state();
    const volume = [...before.volumes.values()][1]?.number ?? 0;
    await plant({ kind: 'map', volume, logical: 5, physical: extentCount, count: 1 });
    await plant({ kind: 'map', volume, logical: 200, physical: extentCount - 1, count: 1 });
    expect(await codes()).toEqual(
      expect.arrayContaining(['beyond-device repairable', 'beyond-volume repairable']),
    );
    const again = attachForTest({ device: handle(device), repositoryId: 'r' });
    expect(await codeOf(again)).toBe('FROZEN');
    expect((await fsckCarved(device, { repair: true })).clean).toBe(true);
    expect(await codes()).toEqual([]);
    expect(await attach()).toBe(3);
  });

  it('finds checkpoints that say different things', async () => {
    const { region, formatId } = await superblock();
    const { state: before, generation } = await state();
    before.apply({ kind: 'delete', volume: 1 });
    const older = encodeCheckpoint(before, generation - 1, formatId);
    const whole = Buffer.alloc(region.checkpointBytes);
    older.copy(whole);
    device.write(whole, checkpointPlace(region, generation - 1), PLAIN);
    expect(await codes()).toContain('copies-differ repairable');
  });

  /** As it is now, on another disk. */
  const copyOf = (): MemoryDevice => {
    const copy = memory(8 * MIB);
    const content = Buffer.alloc(8 * MIB);
    device.read(content, 0);
    copy.write(content, 0, PLAIN);
    return copy;
  };

  it('does not repair what a server has attached, unless told that it is dead', async () => {
    const control = await attachForTest({ device: handle(device), repositoryId: 'r' });
    const left = copyOf();
    await control.close();
    left.write(Buffer.alloc(4096, 0x5a), MIB, PLAIN);
    expect(await codeOf(fsckCarved(left, { repair: true }))).toBe('EXCLUSIVE_ATTACHED');
    expect((await fsckCarved(left, { repair: true, force: true })).repaired).toBe(true);
  });

  it('is of no device that this process has attached: it would see several moments', async () => {
    const control = await attachForTest({ device: handle(device), repositoryId: 'r' });
    expect(await codeOf(fsckCarved(device))).toBe('EXCLUSIVE_ATTACHED');
    await control.close();
    expect((await fsckCarved(device)).clean).toBe(true);
  });

  it('touches no other repository than the one that is meant', async () => {
    spoil(MIB);
    const other = fsckCarved(device, { repair: true, repositoryId: 'another' });
    expect(await codeOf(other)).toBe('ALREADY_MANAGED');
    expect(await codes()).toEqual(['superblock-copy repairable']);
    expect((await fsckCarved(device, { repair: true, repositoryId: 'r' })).repaired).toBe(true);
  });

  it('stops when a server attaches the device while it is repaired', async () => {
    const { region } = await superblock();
    spoil(checkpointPlace(region, 0));
    const before = await superblock();
    const taken = { ...before, sequence: before.sequence + 1, attachToken: 'ab'.repeat(16) };
    const repairing = fsckCarved(device, {
      repair: true,
      onOwned: () => device.write(encodeSuperblock(taken), 0, PLAIN),
    });
    expect(await codeOf(repairing)).toBe('FENCED');
    expect((await superblock()).attachToken).toBe(taken.attachToken);
  });

  it('that is cancelled while it reads repairs nothing; once it repairs, it ends', async () => {
    spoil(MIB);
    const before = contentOf(device);
    const look = cancelledAtRead(device, 0);
    await fsckCarved(look.device);
    expect(look.counts.reads).toBeGreaterThan(4);
    for (let which = 1; which <= look.counts.reads; which++) {
      const { device: watched, signal, giveUp, counts } = cancelledAtRead(device, which);
      expect(await codeOf(fsckCarved(watched, { repair: true, signal, giveUp }))).toBe('CANCELLED');
      expect(counts.gaveUp).toBe(1);
      expect(contentOf(device).equals(before)).toBe(true);
    }
    const late = new AbortController();
    const giveUp = (): void => {
      throw new Error('in the middle of a repair');
    };
    const onOwned = (): void => late.abort();
    const options = { repair: true, signal: late.signal, giveUp, onOwned };
    expect((await fsckCarved(device, options)).repaired).toBe(true);
  });

  it('finds that the device has become smaller', async () => {
    const shorter = memory(7 * MIB);
    const piece = Buffer.alloc(7 * MIB);
    device.read(piece, 0);
    shorter.write(piece, 0, PLAIN);
    const report = await fsckCarved(shorter);
    expect(report.clean).toBe(false);
    expect(report.findings.map(({ code }) => code)).toContain('device-shrunk');
    expect(await codeOf(attachForTest({ device: shorter, repositoryId: 'r' }))).toBe('FROZEN');
  });

  /** A superblock that could be. */
  function made(): Superblock {
    return {
      sequence: 1,
      formatId: '00'.repeat(16),
      repositoryId: 'r',
      owner: 'o',
      epoch: 1,
      attachToken: '00'.repeat(16),
      attached: false,
      takingOver: false,
      deviceSize: 8 * MIB,
      minimumGeneration: 1,
      createdAt: 1,
      attachedAt: 1,
      extentSize: EXTENT,
      extentCount: 10,
      dataStart: 2 * MIB,
      region: { start: MIB + EXTENT, checkpointBytes: 8192, journalBlocks: 4 },
    };
  }
});
