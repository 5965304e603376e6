/** The folder as an array on file systems that share blocks, and on one that does not: real ones, on loop devices. */
import { describeArrayControl } from '../../compliance/array-control.ts';
import { localSubject } from '../../support/local-arrays.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { loopFileSystem } from './loop-file-system.ts';

const needs = [root(), program('mount', 'mount'), program('losetup', 'mount')];

/** Every call waits for stable storage; the long walks are the fast tests' work. */
const LESS = { manySnapshots: 15, steps: 30 };

describeWith([...needs, program('mkfs.btrfs', 'btrfs-progs')], 'Btrfs', () => {
  describeArrayControl('a folder on Btrfs', async () => {
    const mounted = await loopFileSystem('btrfs');
    const here = localSubject(mounted.here);
    return { ...here, ...LESS, dispose: () => mounted.remove() };
  });
});

describeWith([...needs, program('mkfs.xfs', 'xfsprogs')], 'XFS', () => {
  describeArrayControl('a folder on XFS', async () => {
    const mounted = await loopFileSystem('xfs');
    const here = localSubject(mounted.here);
    return { ...here, ...LESS, dispose: () => mounted.remove() };
  });
});
