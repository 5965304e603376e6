import { rootcastChain1, rootcastChain30 } from './chain.ts';
import { durableFloor, floor, pollFloor, sparseFloor } from './floor.ts';
import { nbdServer, nbdServerCow } from './nbd-server.ts';
import { nbdkitCow, nbdkitFile, nbdkitMemory } from './nbdkit.ts';
import { qemuIscsi, qemuNfs, rootcastIscsi, rootcastNfs } from './origins.ts';
import { qemuNbdOverlay, qemuNbdRaw } from './qemu-nbd.ts';
import {
  rootcastMachine,
  rootcastOneWorker,
  rootcastTwoWorkers,
  rootcastVdisk,
} from './rootcast.ts';
import { rootcastSlowOrigin } from './stack.ts';
import {
  storageDaemonOverlays,
  storageDaemonRaw,
  storageDaemonSlowOrigin,
} from './storage-daemon.ts';
import type { Target } from './target.ts';

export { findProgram, programVersion } from './programs.ts';
export type { RunningTarget, Stage, Target } from './target.ts';

/** In the order of a round: what is compared most stands close together. */
export const TARGETS: readonly Target[] = [
  floor,
  pollFloor,
  rootcastVdisk,
  nbdkitFile,
  nbdkitMemory,
  nbdServer,
  qemuNbdRaw,
  storageDaemonRaw,
  durableFloor,
  sparseFloor,
  rootcastMachine,
  storageDaemonOverlays,
  nbdkitCow,
  nbdServerCow,
  qemuNbdOverlay,
  rootcastOneWorker,
  rootcastTwoWorkers,
  rootcastChain1,
  rootcastChain30,
  rootcastSlowOrigin,
  storageDaemonSlowOrigin,
  rootcastIscsi,
  qemuIscsi,
  rootcastNfs,
  qemuNfs,
];
