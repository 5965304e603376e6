import type { ImportProgress } from '../../ports.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';

/** As a task tells it; 100 is for when it is done. */
export function progressOf(
  report: ReportProgress,
  message: string,
): (progress: ImportProgress) => void {
  return ({ bytesDone, bytesTotal }) =>
    report(bytesTotal === 0 ? 0 : Math.min(99, (bytesDone / bytesTotal) * 100), message);
}
