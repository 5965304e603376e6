/**
 * Random lives of a tracked volume against a naive model: it is written to, snapshotted, reverted, grown; data of snapshots
 * is discarded, snapshots are deleted and forgotten in any order; and it is killed in the middle of any of it. What is
 * told to have changed between any two moments is exactly what was written between them.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SEED } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { TrackedLife } from './tracked-life.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder('tracked-lives');
});
afterEach(() => folder.remove());

async function live(seed: number, isNative: boolean, steps: number): Promise<number> {
  const life = new TrackedLife(join(folder.path, `${seed}-${isNative}.sqlite`), seed, isNative);
  try {
    await life.start();
    for (let step = 0; step < steps; step++) {
      await life.step();
      if (step % 5 === 4) await life.verify();
    }
    await life.end();
    return life.compared;
  } catch (error) {
    const tail = life.log.slice(-40).join('\n');
    throw new Error(`seed ${seed}, after:\n${tail}`, { cause: error });
  }
}

const LIVES = Number(process.env['ROOTCAST_LIVES'] ?? 1);
/** In one life of forty nothing is tracked whenever it is asked: then another one is lived. */
const MOST_LIVES = LIVES + 10;

test.each([
  ['by layers', false],
  ['by the array', true],
] as const)(
  'what has changed is what was written (snapshots %s)',
  async (_, isNative) => {
    let compared = 0;
    for (let life = 0; life < LIVES || (compared === 0 && life < MOST_LIVES); life++) {
      compared += await live(SEED + life, isNative, 120);
    }
    expect(compared).toBeGreaterThan(0);
  },
  120_000,
);
