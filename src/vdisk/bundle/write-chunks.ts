import { mapInOrder } from '../../base/index.ts';
import { cancelled } from './bundle-fault.ts';
import { CHUNKS_MAGIC } from './bundle-record.ts';
import { encodeChunk } from './chunk-record.ts';
import { BUNDLE_CHUNKS_AT_ONCE } from './limits.ts';
import { packChunk } from './pack-chunk.ts';
import { RecordWriter } from './record-writer.ts';

/** The bytes of a chunk that this server has, by its SHA-256; undefined: it has none. They are checked. */
export type ChunkReader = (hash: Buffer) => Promise<Buffer | undefined>;

/**
 * The answer to a request for chunks, in the order of the request. One that is not here, or damaged, is left
 * out: the receiver sees that by what comes.
 * @throws Fault CANCELLED; what `read` throws
 */
export async function* writeChunks(
  read: ChunkReader,
  hashes: readonly Buffer[],
  options: { readonly compression?: 'zstd' | 'none'; readonly signal: AbortSignal },
): AsyncGenerator<Buffer> {
  const writer = new RecordWriter(CHUNKS_MAGIC);
  yield writer.preamble;
  let chunks = 0;
  const pack = async (hash: Buffer) => {
    if (options.signal.aborted) throw cancelled('the sending of chunks');
    const bytes = await read(hash);
    if (bytes === undefined) return undefined;
    return packChunk(hash, bytes, options.compression ?? 'zstd');
  };
  for await (const chunk of mapInOrder(hashes, BUNDLE_CHUNKS_AT_ONCE, pack)) {
    if (chunk === undefined) continue;
    chunks += 1;
    yield writer.record('chunk', encodeChunk(chunk));
  }
  yield writer.end({ versions: 0, files: 0, chunks });
}
