/** What both versions do with names. */
import { RpcFailure } from '../rpc/failure.ts';
import type { FoundFile } from '../wire/attributes.ts';

/** Of files that we make. */
export const FILE_MODE = 0o640;

interface Names {
  lookup(name: string): Promise<FoundFile | undefined>;
}

/**
 * Renames; when the answer was lost, looks which of the two names the file has.
 * @throws RpcFailure lost: it has neither
 */
export async function untilRenamed(
  names: Names,
  from: string,
  to: string,
  fileId: string,
  rename: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    try {
      await rename();
      return;
    } catch (error) {
      if (!(error instanceof RpcFailure) || error.kind !== 'lost') throw error;
      if ((await names.lookup(to))?.attributes.fileId === fileId) return;
      if ((await names.lookup(from))?.attributes.fileId !== fileId) throw error;
    }
  }
}
