/** A disk that another server takes over in the middle of something: what follows it is not done on that server's disk. */
import { expect, it, vi } from 'vitest';
import { type BlockDevice, PLAIN } from '../../../../src/block/index.ts';
import { BlockError } from '../../../../src/errors/index.ts';
import {
  attachForTest,
  handle,
  MIB,
  makeVolume,
  memory,
  workerOf,
} from '../../../support/carved.ts';

const REPOSITORY = 'taken-over';
const SIZE = 8 * MIB;

type Change = 'write' | 'zero' | 'trim' | 'flush';

/** Tells of each change before the device sees it. */
function watched(
  device: BlockDevice,
  before: (change: Change, length: number) => Promise<void>,
): BlockDevice {
  return {
    ...{ geometry: device.geometry, capabilities: device.capabilities },
    read: (...call) => device.read(...call),
    lend: (...call) => device.lend(...call),
    cache: (...call) => device.cache(...call),
    extents: (...call) => device.extents(...call),
    close: async () => undefined,
    write: async (...call) => {
      await before('write', call[0].length);
      await device.write(...call);
    },
    zero: async (...call) => {
      await before('zero', call[1]);
      await device.zero(...call);
    },
    trim: async (...call) => {
      await before('trim', call[1]);
      await device.trim(...call);
    },
    flush: async () => {
      await before('flush', 0);
      await device.flush();
    },
  };
}

/** As another process would, which has attached nothing yet: the same modules, loaded a second time. */
async function takeOver(device: BlockDevice): Promise<() => Promise<void>> {
  vi.resetModules();
  const again: typeof import('../../../support/carved.ts') = await import(
    '../../../support/carved.ts'
  );
  const control = await again.attachForTest({
    device: again.handle(device),
    repositoryId: REPOSITORY,
    owner: 'iqn.2026-01.dev.rootcast:two',
    takeOver: true,
  });
  return () => control.close();
}

const contentOf = (device: BlockDevice): Buffer => {
  const content = Buffer.alloc(SIZE);
  device.read(content, 0);
  return content;
};

it('no checkpoint is written after a journal write that failed', async () => {
  const device = memory(SIZE);
  let armed = false;
  let [closeOther, there] = [async (): Promise<void> => undefined, Buffer.alloc(0) as Buffer];
  const control = await attachForTest({
    repositoryId: REPOSITORY,
    create: true,
    device: watched(device, async (change) => {
      if (!armed || change !== 'write') return;
      armed = false;
      closeOther = await takeOver(device);
      there = contentOf(device);
      throw new BlockError('ETIMEDOUT', 'write', 0, 0, 'no path');
    }),
  });
  await makeVolume(control, MIB);
  armed = true;
  await expect(makeVolume(control, MIB)).rejects.toMatchObject({ name: 'ArrayError' });
  await control.close();
  expect(there.length).toBe(SIZE);
  expect(contentOf(device).equals(there), 'as the new owner has written it').toBe(true);
  await closeOther();
});

it('extents that were freed before are not trimmed', async () => {
  const device = memory(SIZE);
  let armed = false;
  let closeOther: (() => Promise<void>) | undefined;
  const after: Change[] = [];
  const control = await attachForTest({
    repositoryId: REPOSITORY,
    create: true,
    device: watched(device, async (change) => {
      if (closeOther !== undefined) after.push(change);
      // The flush after which they may be used again.
      if (!armed || change !== 'flush') return;
      armed = false;
      closeOther = await takeOver(device);
    }),
  });
  const volume = await makeVolume(control, MIB);
  const writer = await workerOf(control, () => handle(device)).open(volume.locator, {
    write: true,
  });
  await writer.write(Buffer.alloc(MIB, 7), 0, PLAIN);
  armed = true;
  await writer.trim(0, MIB, PLAIN);
  await expect.poll(() => closeOther).toBeDefined();
  await writer.close();
  await control.close();
  expect(after.filter((change) => change !== 'flush')).toEqual([]);
  await closeOther?.();
});

it('a second process of the same host does not take it for its own past', async () => {
  const device = memory(SIZE);
  const control = await attachForTest({
    repositoryId: REPOSITORY,
    create: true,
    device: handle(device),
  });
  vi.resetModules();
  const again: typeof import('../../../support/carved.ts') = await import(
    '../../../support/carved.ts'
  );
  const second = () =>
    again.attachForTest({ device: again.handle(device), repositoryId: REPOSITORY });
  const before = contentOf(device);
  expect(await again.codeOf(second())).toBe('EXCLUSIVE_ATTACHED');
  expect(contentOf(device).equals(before)).toBe(true);
  await control.close();
  await (await second()).close();
});
