import { nbdkitCow, nbdkitFile } from './nbdkit.ts';
import { qemuNbdOverlay } from './qemu-nbd.ts';
import { rootcastMachine, rootcastVdisk } from './rootcast.ts';
import type { Target } from './target.ts';

export { findProgram, programVersion } from './programs.ts';
export type { RunningTarget, Stage, Target } from './target.ts';

/** In the order of a round. */
export const TARGETS: readonly Target[] = [
  rootcastVdisk,
  nbdkitFile,
  rootcastMachine,
  nbdkitCow,
  qemuNbdOverlay,
];
