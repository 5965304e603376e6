/** A temporary folder, and Ctrl-C that ends what was started instead of this program. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliError, EXIT_REFUSED } from '../../src/cli/cli-error.ts';
import type { CliIo } from '../../src/cli/index.ts';

/**
 * @param work is to stop when `signal` says so; the folder is gone afterwards, whatever happened
 * @throws CliError when it was interrupted
 */
export async function withFolder<T>(
  io: CliIo,
  work: (folder: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-bench-'));
  const controller = new AbortController();
  const stopListening = io.onInterrupt(() => {
    if (!controller.signal.aborted) io.stderr('\ninterrupted, stopping what was started …\n');
    controller.abort(new Error('interrupted'));
  });
  try {
    return await work(folder, controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw new CliError(EXIT_REFUSED, 'interrupted');
    throw error;
  } finally {
    stopListening();
    rmSync(folder, { recursive: true, force: true });
  }
}
