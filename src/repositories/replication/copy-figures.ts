/** Bytes, measured, over all runs of one point. */
export interface CopyFigures {
  /** Of the point: what may differ from the point before. */
  readonly read: number;
  readonly written: number;
  readonly zeroed: number;
  /** Looked at, and the same already. */
  readonly skipped: number;
  /** Read back from the target and found right. */
  readonly verified: number;
}

export type Tally = { -readonly [K in keyof CopyFigures]: number };

export const NO_FIGURES: CopyFigures = Object.freeze({
  read: 0,
  written: 0,
  zeroed: 0,
  skipped: 0,
  verified: 0,
});
