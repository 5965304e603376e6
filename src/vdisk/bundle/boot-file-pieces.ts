import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { Fault } from '../../errors/index.ts';
import { type BootFiles, INITRD_BYTES_MAX } from '../boot-files/index.ts';
import { BUNDLE_FILE_PIECE_BYTES_MAX } from './limits.ts';

/** A kernel or an initrd to be sent, which several versions may have. */
export interface OpenBootFile {
  readonly paths: ReadonlySet<string>;
  readonly sha256: string;
  readonly size: number;
  /** @throws Fault IMAGE_INVALID when the file has changed since */
  pieces(): AsyncGenerator<Buffer>;
}

/**
 * The boot files of versions, each content once, in the order of their first use.
 * @throws Fault NOT_FOUND, INVALID_INPUT (no file, empty, too long)
 */
export async function openBootFiles(
  versions: readonly { readonly bootFiles: BootFiles | undefined }[],
): Promise<readonly OpenBootFile[]> {
  const files = new Map<string, { paths: Set<string>; size: number }>();
  const paths = versions.flatMap(({ bootFiles }) => [bootFiles?.kernel, bootFiles?.initrd]);
  for (const path of new Set(paths)) {
    if (path === undefined) continue;
    const hash = createHash('sha256');
    let size = 0;
    for await (const piece of readPieces(path)) {
      hash.update(piece);
      size += piece.length;
      if (size > INITRD_BYTES_MAX) break;
    }
    if (size < 1 || size > INITRD_BYTES_MAX) {
      const details = {
        field: 'bootFiles',
        value: size,
        expected: `1 to ${INITRD_BYTES_MAX} bytes`,
      };
      throw new Fault('INVALID_INPUT', `${path}: cannot be sent as a boot file`, details);
    }
    const sha256 = hash.digest('hex');
    const known = files.get(sha256);
    if (known === undefined) files.set(sha256, { paths: new Set([path]), size });
    else known.paths.add(path);
  }
  return [...files].map(([sha256, { paths, size }]) => ({
    paths,
    sha256,
    size,
    pieces: () => unchangedPieces([...paths][0] ?? '', sha256, size),
  }));
}

async function* unchangedPieces(
  path: string,
  sha256: string,
  size: number,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let done = 0;
  for await (const piece of readPieces(path)) {
    hash.update(piece);
    done += piece.length;
    if (done > size) break;
    yield piece;
  }
  if (done === size && hash.digest('hex') === sha256) return;
  throw new Fault('IMAGE_INVALID', `${path}: has changed while it was sent`, {
    field: 'bootFiles',
    value: path,
  });
}

async function* readPieces(path: string): AsyncGenerator<Buffer> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    const details = { field: 'bootFiles', value: path };
    const message = `${path}: cannot be opened: ${(error as Error).message}`;
    throw new Fault('NOT_FOUND', message, details, { cause: error });
  }
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(BUNDLE_FILE_PIECE_BYTES_MAX);
      const { bytesRead } = await handle.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
