declare module '@vates/read-chunk' {
  import type { Readable } from 'node:stream';

  /** Rejects when the stream has fewer bytes left. */
  export function readChunkStrict(stream: Readable, size: number): Promise<Buffer>;
  export function skipStrict(stream: Readable, size: number): Promise<void>;
}
