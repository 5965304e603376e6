import type { VolumeControl, VolumeData } from '../repositories/index.ts';

/** Both ports of a repository. */
export interface Repository {
  readonly volumes: VolumeControl;
  readonly data: VolumeData;
}
