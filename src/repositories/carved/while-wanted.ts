import { checkNotCancelled } from '../array-requests.ts';

/** How a device is read that nothing is written to yet. */
export interface Wanted {
  readonly signal: AbortSignal | undefined;
  /** Lets what is under way on the device fail, which may wait for minutes for a path. Absent: it is awaited. */
  readonly giveUp?: (() => void) | undefined;
}

/**
 * Nobody waits for a look at a device longer than somebody wants to know.
 * @throws ArrayError CANCELLED, also when it was over just then; what `look` throws
 */
export async function whileWanted<T>(
  { signal, giveUp }: Wanted,
  look: () => Promise<T>,
): Promise<T> {
  checkNotCancelled(signal);
  const stop = (): void => giveUp?.();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const seen = await look();
    checkNotCancelled(signal);
    return seen;
  } catch (error) {
    checkNotCancelled(signal); // that is why it failed
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
