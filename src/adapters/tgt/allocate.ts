/** The file of a volume gets its size, and a thick one its space: by util-linux's fallocate. */
import { truncate } from 'node:fs/promises';
import { type ProgramEnd, runProgram } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import { ALLOCATE_MS, CALL_OUTPUT_BYTES } from './limits.ts';

export interface Allocation {
  /** Bytes that it has so far, and is to have. */
  readonly before: number;
  readonly size: number;
  readonly thin: boolean;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * Larger, or as it was.
 * @throws ArrayError CANCELLED, TIMEOUT, NO_SPACE, QUOTA, OUT_OF_RANGE, UNSUPPORTED, TOOL_MISSING; of the file system
 */
export async function allocateFile(path: string, wanted: Allocation): Promise<void> {
  const { before, size, thin, signal, timeoutMs = ALLOCATE_MS } = wanted;
  try {
    // Space first, beyond the file's end: whatever dies meanwhile, the file is no longer than before.
    if (!thin) {
      const args = ['--keep-size', '--length', String(size), '--', path];
      const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' };
      const options = { timeoutMs, outputBytes: CALL_OUTPUT_BYTES, env, signal };
      const failure = failureOf(await runProgram('fallocate', args, options), size);
      if (failure !== undefined) throw failure;
    }
    await truncate(path, size);
  } catch (error) {
    await truncate(path, before).catch(() => undefined); // gives back what there is beyond it
    throw error;
  }
}

const REASONS = [
  [/No space left/i, 'NO_SPACE'],
  [/quota/i, 'QUOTA'],
  [/too large/i, 'OUT_OF_RANGE'],
  [/not supported/i, 'UNSUPPORTED'],
] as const;

function failureOf(end: ProgramEnd, size: number): ArrayError | undefined {
  const what = `cannot allocate ${size} bytes`;
  switch (end.outcome) {
    case 'missing':
      return new ArrayError('TOOL_MISSING', 'fallocate is needed (Debian package util-linux)');
    case 'killed': {
      const code = end.why === 'aborted' ? 'CANCELLED' : 'TIMEOUT';
      return new ArrayError(code, `${what}: fallocate was ended (${end.why})`);
    }
    case 'exited': {
      if (end.code === 0) return undefined;
      const [, code] = REASONS.find(([words]) => words.test(end.stderr)) ?? [];
      const details = { nativeCode: `exit ${end.code}`, nativeMessage: end.stderr };
      return new ArrayError(code ?? 'BACKEND_BUG', what, details);
    }
  }
}
