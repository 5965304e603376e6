/**
 * The contract of src/repositories/array-control.ts (and of the data port behind it) as tests, for every adapter,
 * against its real array. Call `describeArrayControl` from a test file with a way to attach a pool that belongs to the
 * suite alone; what an array cannot do is taken from its capability flags, and then the refusal is tested.
 *
 * Covers: flags against facets and behaviour; volumes and their names, sizes, identity, lists; retries, lost answers,
 * concurrency, cancelling; snapshots in trees, diffs, groups, reverting; clones; masking. And what Citrix asked of
 * StorageLink arrays (`cslg`): snapshots under load, many of one volume, snapshot of snapshot, original and snapshot
 * deleted in either order, shrinking refused, grown by one byte and twice in big steps while attached with the data
 * intact, odd sizes rounded up.
 *
 * Where the port leaves a choice the suite takes all: an original with snapshots may be deleted (they stay) or refused
 * (HAS_DEPENDENTS); a volume that is open may be refused with IN_USE or stay with whoever has it open.
 * Does not cover: data under faults of the transport (each adapter's own tests), replication.
 */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { ArrayBench } from './array/bench.ts';
import { testClones } from './array/clones.ts';
import { testFaults } from './array/faults.ts';
import { testFlags } from './array/flags.ts';
import { testIdentity } from './array/identity.ts';
import { testMasking } from './array/masking.ts';
import { testSizes } from './array/sizes.ts';
import { testSnapshots } from './array/snapshots.ts';
import type { MakeArray } from './array/subject.ts';
import { testTrees } from './array/trees.ts';
import { testVolumes } from './array/volumes.ts';

export type { ArraySubject, Attachment, FaultHooks, MakeArray } from './array/subject.ts';

export function describeArrayControl(name: string, make: MakeArray): void {
  describe(`${name} keeps the contract of an array`, () => {
    const bench = new ArrayBench(make);
    beforeAll(() => bench.start());
    afterEach(() => bench.clean());
    afterAll(() => bench.stop());

    testFlags(bench);
    testVolumes(bench);
    testIdentity(bench);
    testSizes(bench);
    testSnapshots(bench);
    testClones(bench);
    testTrees(bench);
    testMasking(bench);
    testFaults(bench);
  });
}
