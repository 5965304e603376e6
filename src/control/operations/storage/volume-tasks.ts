/** What the tasks on volumes have in common. */
import type { Call } from '../../storage-port.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';

/** As the storage takes it; 100 % is for when it is done. */
export function callOf(report: ReportProgress, signal: AbortSignal, message: string): Call {
  return { signal, progress: (fraction) => report(Math.min(99, fraction * 100), message) };
}

/** Called in the transaction that keeps what was made: when it throws, that is undone. */
export type WhenKept<T> = (made: T) => void;

export const NOTHING_MORE = (): void => undefined;
