/**
 * Issue 5 from end to end: the program as its users run it, with real storage of every kind behind it. The parts are in
 * test/service/storage; they share the servers and the service, and come after each other.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../support/requires.ts';
import { Bench } from './storage/bench.ts';
import { faultTests } from './storage/faults.ts';
import { STORAGE_NEEDS } from './storage/places.ts';
import { replicationTests } from './storage/replication.ts';
import { vdiskTests } from './storage/vdisks.ts';
import { volumeTests } from './storage/volumes.ts';

describeWith(STORAGE_NEEDS, 'repositories on real storage', () => {
  let opened: Bench | undefined;
  const bench = (): Bench => {
    if (opened === undefined) throw new Error('the bench did not open');
    return opened;
  };

  beforeAll(async () => {
    opened = await Bench.open();
  });
  afterAll(() => opened?.close());

  volumeTests(bench);
  vdiskTests(bench);
  replicationTests(bench);
  faultTests(bench);

  test('no secret was in any answer or log', () => {
    const { places, console } = bench();
    expect(console.said).not.toBe('');
    for (const secret of places.secrets) {
      expect(console.said).not.toContain(secret);
      expect(bench().logged).not.toContain(secret);
    }
  });
});
