import type { VolumeData } from '../../repositories/index.ts';

export interface LayerProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** What all long work on layers is given. */
export interface LayerWork {
  /** Exists; holds a folder for each layer. */
  readonly layersFolder: string;
  readonly volumeData: VolumeData;
  readonly progress: (progress: LayerProgress) => void;
  /** Cancels: nothing is left behind. */
  readonly signal: AbortSignal;
}

/** For tests: called when a step of making a layer is done; what it throws ends the work. */
export type AfterStep<Step extends string> = (step: Step) => void | Promise<void>;
