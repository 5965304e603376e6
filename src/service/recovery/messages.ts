/** What the control thread and a thread that opens maps say to each other. */
import type { VolumeLocator } from '../../repositories/index.ts';
import type { RecoverOptions } from '../../vdisk/index.ts';
import type { Answer } from '../workers/messages.ts';

/** What recoverOverlay is to be told beside the map. */
export type Opening = Omit<RecoverOptions, 'map'>;

/** Given to the thread when it starts. */
export interface RecoveryStart {
  readonly logLevel: string;
}

export interface RecoverRequest {
  readonly request: number;
  /** Of the service's own repository. */
  readonly map: VolumeLocator;
  readonly opening: Opening;
}

/** The state of the overlay, as recoverOverlay has it. */
export interface RecoverAnswer {
  readonly request: number;
  readonly answer: Answer;
}
