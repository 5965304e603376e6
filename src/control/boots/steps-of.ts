import { BOOT_STAGES, type BootRecord, type BootStage } from '../catalog/records.ts';

interface BootStep {
  readonly stage: BootStage;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** In the order in which they came; those of one millisecond in that in which they should. */
export function stepsOf({ stages }: BootRecord): readonly BootStep[] {
  return BOOT_STAGES.flatMap((stage) => {
    const at = stages[stage];
    return at === undefined ? [] : [{ stage, at }];
  }).sort((a, b) => a.at - b.at);
}
