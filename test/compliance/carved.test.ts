/** Volumes of carved devices keep the contract of a block device. */
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockDevice } from '../../src/block/index.ts';
import {
  attachForTest,
  fileDevice,
  handle,
  KIB,
  MIB,
  makeVolume,
  memory,
  workerOf,
} from '../support/carved.ts';
import { randomContent, slow } from '../support/content.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { describeBlockDevice, type Subject } from './block-device.ts';

/** Ends inside an extent. */
const SIZE = MIB + 5 * 4 * KIB;

async function subject(
  open: () => BlockDevice,
  dispose: () => Promise<void>,
  thin: boolean,
): Promise<Subject<BlockDevice>> {
  const control = await attachForTest({ device: open(), create: true });
  const volume = await makeVolume(control, SIZE, { thin });
  const device = await workerOf(control, open).open(volume.locator, { write: true });
  const content = randomContent(SIZE);
  for (let at = 0; at < SIZE; at += 4 * KIB) {
    const piece = content.subarray(at, at + 4 * KIB);
    if (piece.some((byte) => byte !== 0)) await device.write(piece, at, { fua: false });
  }
  return {
    device,
    content,
    dispose: async () => {
      await control.close();
      await dispose();
    },
  };
}

for (const thin of [true, false]) {
  const kind = thin ? 'thin' : 'thick';
  describeBlockDevice(`${kind} carved volume in memory`, () => {
    const device = memory(16 * MIB);
    return subject(
      () => handle(device),
      () => device.close(),
      thin,
    );
  });
  describeBlockDevice(`${kind} carved volume of a slow device in sectors of 4096 bytes`, () => {
    const device = slow(memory(16 * MIB, 4096));
    return subject(
      () => handle(device),
      () => device.close(),
      thin,
    );
  });
}

describeBlockDevice('carved volume of a file', async () => {
  const folder = await temporaryFolder('carved');
  const path = join(folder.path, 'lun');
  await writeFile(path, '');
  await truncate(path, 16 * MIB);
  return subject(
    () => fileDevice(path),
    () => folder.remove(),
    true,
  );
});
