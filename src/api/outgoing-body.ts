/** Answers that are read as they are taken away. */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { OutgoingStream } from '../control/index.ts';

export const BYTES = 'application/octet-stream';

/** Aborted when the client goes away before it has everything. */
export function whileAsked(reply: FastifyReply): AbortSignal {
  const abort = new AbortController();
  const { raw } = reply;
  if (raw.destroyed) abort.abort();
  raw.once('close', () => {
    if (!raw.writableFinished) abort.abort();
  });
  return abort.signal;
}

/** @param fileName what a browser would save it as */
export function sendStream(
  reply: FastifyReply,
  stream: OutgoingStream,
  fileName?: string,
): FastifyReply {
  reply.header('content-type', BYTES);
  if (stream.length !== undefined) reply.header('content-length', String(stream.length));
  if (fileName !== undefined) {
    reply.header('content-disposition', `attachment; filename="${fileName}"`);
  }
  return reply.send(new StreamedBody(stream));
}

/** Closes its source however it ends, also when nothing was read. */
class StreamedBody extends Readable {
  readonly #stream: OutgoingStream;
  readonly #pieces: AsyncIterator<Buffer>;

  constructor(stream: OutgoingStream) {
    super();
    this.#stream = stream;
    this.#pieces = stream.pieces[Symbol.asyncIterator]();
  }

  override _read(): void {
    this.#pieces.next().then(
      ({ value, done }) => this.push(done === true ? null : value),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#close().then(
      () => callback(error),
      (reason: unknown) => callback(error ?? (reason as Error)),
    );
  }

  async #close(): Promise<void> {
    try {
      await this.#pieces.return?.();
    } finally {
      await this.#stream.close();
    }
  }
}
