import { describe, expect, it } from 'vitest';
import { type BlockDevice, MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import { readDeviceContent } from '../../../../src/repositories/carved/device-content.ts';
import { readSuperblocks } from '../../../../src/repositories/carved/metadata-io.ts';
import { OwnerLease } from '../../../../src/repositories/carved/owner-lease.ts';
import { DeviceWords } from '../../../../src/repositories/carved/shared-words.ts';
import {
  attachForTest,
  cancelledAtRead,
  codeOf,
  contentOf,
  errnoOf,
  handle,
  KIB,
  MIB,
  makeVolume,
  memory,
  SILENT,
  workerOf,
} from '../../../support/carved.ts';

const ONE = 'iqn.2026-01.dev.rootcast:one';
const TWO = 'iqn.2026-01.dev.rootcast:two';

/** Writes a few bytes of a disk. */
function put(device: BlockDevice, at: number, text: string): void {
  const sector = Buffer.alloc(512);
  sector.write(text, at % 512, 'latin1');
  device.write(sector, at - (at % 512), PLAIN);
}

describe('a new device', () => {
  it('must be empty', async () => {
    const marks: [number, string, RegExp][] = [
      [510, '\x55\xaa', /MBR/],
      [512, 'EFI PART', /GPT/],
      [1080, '\x53\xef', /ext4/],
      [0, 'XFSB', /XFS/],
      [65_600, '_BHRfS_M', /Btrfs/],
      [512, 'LABELONE', /LVM/],
      [0, 'LUKS\xba\xbe', /LUKS/],
      [4086, 'SWAPSPACE2', /swap/],
      [700_000, 'x', /unknown/],
      [8 * MIB - 1, 'x', /unknown/],
    ];
    for (const [at, text, said] of marks) {
      const device = memory(8 * MIB);
      put(device, at, text);
      const before = Buffer.alloc(8 * MIB);
      device.read(before, 0);
      const attach = attachForTest({ device: handle(device), create: true });
      await expect(attach).rejects.toMatchObject({ code: 'ALREADY_MANAGED' });
      await expect(attach).rejects.toThrow(said);
      const after = Buffer.alloc(8 * MIB);
      device.read(after, 0);
      expect(after.equals(before)).toBe(true);
    }
  });

  it('is not made ours by accident', async () => {
    const device = memory(8 * MIB);
    expect(await codeOf(attachForTest({ device: handle(device) }))).toBe('NOT_FOUND');
    expect(await readDeviceContent(device)).toEqual({ kind: 'empty' });
  });

  it('must be large enough, and of a kind that can be carved', async () => {
    const small = attachForTest({ device: memory(MIB), create: true });
    expect(await codeOf(small)).toBe('OUT_OF_RANGE');
    const coarse = new MemoryDevice({ size: 8 * MIB, minimumIo: 8192 });
    expect(await codeOf(attachForTest({ device: coarse, create: true }))).toBe('UNSUPPORTED');
    for (const extentSize of [0, 65_537, 32 * KIB, 2 ** 30]) {
      const attach = attachForTest({ device: memory(8 * MIB), create: true, extentSize });
      expect(await codeOf(attach)).toBe('INVALID_ARGUMENT');
    }
  });
});

describe('a device that is somebody’s', () => {
  it('says whose it is', async () => {
    const device = memory(8 * MIB);
    await (
      await attachForTest({ device: handle(device), repositoryId: 'r', owner: ONE, create: true })
    ).close();
    const other = attachForTest({ device: handle(device), repositoryId: 'r', owner: TWO });
    await expect(other).rejects.toMatchObject({
      code: 'EXCLUSIVE_ATTACHED',
      details: { refs: [ONE] },
    });
    const elsewhere = { device: handle(device), repositoryId: 'another', owner: ONE };
    expect(await codeOf(attachForTest(elsewhere))).toBe('ALREADY_MANAGED');
    expect(await codeOf(attachForTest({ ...elsewhere, create: true }))).toBe('ALREADY_MANAGED');
    expect(await readDeviceContent(device)).toEqual({
      kind: 'carved',
      repositoryId: 'r',
      owner: ONE,
      attached: false,
    });
  });

  it('is attached once in a process', async () => {
    const device = memory(8 * MIB);
    const control = await attachForTest({
      device: handle(device),
      repositoryId: 'r',
      create: true,
    });
    const second = { device: handle(device), repositoryId: 'r' };
    expect(await codeOf(attachForTest(second))).toBe('EXCLUSIVE_ATTACHED');
    await control.close();
    await (await attachForTest(second)).close();
  });

  it('can be taken over; its old owner notices before it changes anything', async () => {
    const device = memory(8 * MIB);
    const lost: string[] = [];
    const old = await attachForTest({
      device: handle(device),
      repositoryId: 'r',
      owner: ONE,
      create: true,
      onOwnerLost: (owner) => lost.push(owner),
    });
    const volume = await makeVolume(old, MIB, { tag: 'kept' });
    const writer = await workerOf(old, () => handle(device)).open(volume.locator, { write: true });
    await writer.write(Buffer.alloc(4096, 1), 0, PLAIN);
    await writer.flush();
    const taken = await takeOver(device);
    expect(await codeOf(makeVolume(old, MIB))).toBe('FENCED');
    expect(lost).toEqual([TWO]);
    expect(await errnoOf(() => writer.write(Buffer.alloc(4096, 2), 0, PLAIN))).toBe('ESTALE');
    expect(await errnoOf(() => writer.read(Buffer.alloc(4096), 0))).toBe('ESTALE');
    expect((await old.health()).state).toBe('failed');
    await writer.close();
    await old.close();
    const content = Buffer.alloc(4096);
    const { control } = taken;
    const found = await control.findVolume({ tag: 'kept' });
    if (found === undefined) throw new Error('the volume is gone');
    const reader = await workerOf(control, () => handle(device)).open(found.locator, {
      write: true,
    });
    await reader.read(content, 0);
    expect(content).toEqual(Buffer.alloc(4096, 1));
    await reader.close();
    await control.close();
  });

  it('that is being written to stops at a look, too', async () => {
    const device = memory(8 * MIB);
    let lost = 0;
    const old = await attachForTest({
      device: handle(device),
      repositoryId: 'looked',
      owner: ONE,
      create: true,
      onOwnerLost: () => {
        lost += 1;
      },
      timing: { ownerCheckMs: 1, takeOverWaitMs: 0 },
    });
    const volume = await makeVolume(old, MIB);
    const writer = await workerOf(old, () => handle(device)).open(volume.locator, { write: true });
    await writer.write(Buffer.alloc(4096, 1), 0, PLAIN);
    await takeOver(device, 'looked');
    await expect.poll(() => lost).toBe(1);
    expect(await errnoOf(() => writer.write(Buffer.alloc(4096, 2), 0, PLAIN))).toBe('ESTALE');
    await writer.close();
    await old.close();
  });
});

describe('an attach that is cancelled while it looks', () => {
  it.each([true, false])('changes nothing (create: %s)', async (create) => {
    const device = memory(8 * MIB);
    const named = { repositoryId: 'cancelled', owner: ONE };
    if (!create) {
      await (await attachForTest({ ...named, device: handle(device), create: true })).close();
    }
    const before = contentOf(device);
    for (const which of [1, 2]) {
      const { signal, counts, ...watched } = cancelledAtRead(device, which);
      const attaching = attachForTest({ ...named, ...watched, options: { create, signal } });
      expect(await codeOf(attaching)).toBe('CANCELLED');
      expect(counts.gaveUp).toBe(1);
      expect(contentOf(device).equals(before)).toBe(true);
    }
    await (await attachForTest({ ...named, device: handle(device), create })).close();
  });
});

describe('a take-over that is cut short', () => {
  /** @param cancelled while it waits */
  async function attach(device: BlockDevice, options: { takeOver?: boolean; cancelled?: boolean }) {
    const waits: string[] = [];
    const giveUp = new AbortController();
    const warn = (_: object, message: string): void => {
      waits.push(message);
      if (options.cancelled === true) setImmediate(() => giveUp.abort());
    };
    const { takeOver = false, cancelled = false } = options;
    const attaching = attachForTest({
      device: handle(device),
      repositoryId: 'short',
      owner: TWO,
      parts: { log: { ...SILENT, warn }, clock: () => performance.now() },
      options: { takeOver, signal: giveUp.signal },
      timing: { ownerCheckMs: 60_000, takeOverWaitMs: cancelled ? 60_000 : 0 },
    });
    return { attaching, waits };
  }

  it('waits anew at the next attach: the old owner may not have noticed yet', async () => {
    const device = memory(8 * MIB);
    const made = { device: handle(device), repositoryId: 'short', owner: ONE, create: true };
    const old = await attachForTest(made);
    const died = memory(8 * MIB);
    died.write(contentOf(device), 0, PLAIN);
    await old.close();

    for (const takeOver of [true, false]) {
      const { attaching, waits } = await attach(died, { takeOver, cancelled: true });
      expect(await codeOf(attaching)).toBe('CANCELLED');
      expect(waits).toHaveLength(1);
    }
    const { attaching, waits } = await attach(died, {});
    const control = await attaching;
    expect(waits).toHaveLength(1);
    // One that dies now has waited: it is its own past that it finds.
    const { newest } = await readSuperblocks((to, at) => died.read(to, at), 8 * MIB);
    expect(newest).toMatchObject({ owner: TWO, attached: true, takingOver: false });
    await control.close();
    const again = await attach(died, {});
    await (await again.attaching).close();
    expect(again.waits).toEqual([]);
  });
});

/** As another process would, which has attached nothing yet: the same modules, loaded a second time. */
async function takeOver(device: BlockDevice, repositoryId = 'r') {
  const { vi } = await import('vitest');
  vi.resetModules();
  const again: typeof import('../../../support/carved.ts') = await import(
    '../../../support/carved.ts'
  );
  const control = await again.attachForTest({
    device: again.handle(device),
    repositoryId,
    owner: TWO,
    takeOver: true,
  });
  return { control };
}

describe('the lease of a worker', () => {
  it('holds for its time after a beat was seen between two looks', () => {
    let now = 0;
    const words = new DeviceWords();
    const lease = new OwnerLease(words, () => now);
    expect(lease.holds()).toBe(false);
    lease.renewed(now);
    expect(lease.holds()).toBe(true);
    for (; now < 20_000; now += 2000) {
      words.addBeat();
      expect(lease.holds()).toBe(true);
    }
    // The control thread hangs.
    now += 5001;
    expect(lease.holds()).toBe(false);
  });

  it('does not take an old beat for a new one after a pause', () => {
    let now = 0;
    const words = new DeviceWords();
    const lease = new OwnerLease(words, () => now);
    lease.renewed(now);
    now = 1000;
    words.addBeat(); // nobody looks
    now = 60_000;
    expect(lease.holds()).toBe(false);
    words.addBeat();
    now = 61_000;
    expect(lease.holds()).toBe(true);
  });
});
