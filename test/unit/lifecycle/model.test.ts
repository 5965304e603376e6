/**
 * Random lives of a vDisk: versions are begun, written, sealed, promoted, merged, reverted, deleted, captured,
 * while machines boot and write, the service crashes and time passes. Whatever happens, every machine reads
 * exactly what the naive model says, every version is what it was when it was sealed, and what the model
 * refuses the service refuses.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SEED } from '../../support/seed.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { Life } from './life.ts';
import { type Step, step } from './steps.ts';

const COMPARE_VERSIONS_EVERY = 8;
/** A longer look: `ROOTCAST_LIVES=200 npm run test:fast -- test/unit/lifecycle`. */
const LIVES = Number(process.env['ROOTCAST_LIVES'] ?? 4);

describe('a vDisk with versions, machines and time', () => {
  const live = async (steps: readonly Step[]): Promise<void> => {
    const own = await temporaryFolder('life');
    const life = await Life.begin(own.path);
    try {
      for (const [at, step] of steps.entries()) {
        life.log.push(JSON.stringify(step));
        await life.take(step);
        await life.compare();
        if (at % COMPARE_VERSIONS_EVERY === 0) await life.compareVersions();
      }
      await life.compareVersions();
      await life.compareArray();
      expect(life.rig.control.tasks.runningCount()).toBe(0);
    } catch (error) {
      throw new Error(`after ${life.log.join('\n')}`, { cause: error });
    } finally {
      await life.rig.close();
      await own.remove();
    }
  };
  const lives = fc.array(step, { minLength: 60, maxLength: 60 });

  test(`is what the naive model says (seed ${SEED})`, async () => {
    const property = fc.asyncProperty(lives, live);
    await fc.assert(property, { seed: SEED, numRuns: LIVES, endOnFailure: true });
  });

  test('and everything that can happen does happen in such lives', async () => {
    Life.seen.clear();
    Life.onArray = 0;
    await fc.assert(fc.asyncProperty(lives, live), { seed: 7, numRuns: 5, endOnFailure: true });
    // A model that refuses everything would be right about everything.
    const done = [...Life.seen].filter(([, seen]) => seen.done > 0).map(([kind]) => kind);
    const refused = [...Life.seen].filter(([, seen]) => seen.refused > 0).map(([kind]) => kind);
    const all = [
      ...['boot', 'reconnect', 'capture', 'begin', 'seal', 'demote', 'delete', 'pin', 'revert'],
      ...['promote', 'merge partial', 'merge full'],
    ];
    expect(done).toEqual(expect.arrayContaining(all));
    expect(Life.onArray).toBeGreaterThan(0);
    expect(refused).toEqual(expect.arrayContaining(all.filter((kind) => kind !== 'pin')));
  });
});
