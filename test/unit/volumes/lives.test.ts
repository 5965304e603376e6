/**
 * Random lives of volumes against whole buffers: written to, snapshotted, cloned, split, reverted, grown,
 * deleted, merged in the background, and killed in the middle of any of it. After every step that matters,
 * every volume and every snapshot reads as the model says; what an operation that was cut off has done, the
 * catalog decides. In the end nothing is on the array that the catalog does not know.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'vitest';
import { SEED } from '../../support/seed.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { Life } from './life.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder('volume-lives');
});
afterEach(() => folder.remove());

async function live(seed: number, isNative: boolean, steps: number): Promise<void> {
  const life = new Life(join(folder.path, `${seed}-${isNative}.sqlite`), seed, isNative);
  try {
    await life.start();
    for (let step = 0; step < steps; step++) {
      await life.step();
      if (step % 10 === 9) {
        await life.verify();
        await life.verifyDiff();
      }
    }
    await life.end();
  } catch (error) {
    const tail = life.log.slice(-25).join('\n');
    throw new Error(`seed ${seed}, after:\n${tail}`, { cause: error });
  }
}

const LIVES = Number(process.env['ROOTCAST_LIVES'] ?? 2);

test('volumes by layers live as whole buffers do', async () => {
  for (let life = 0; life < LIVES; life++) await live(SEED + life, false, 120);
}, 60_000);

test('volumes of an array that takes its own snapshots do, too', async () => {
  for (let life = 0; life < LIVES / 2; life++) await live(SEED + life, true, 100);
}, 60_000);
