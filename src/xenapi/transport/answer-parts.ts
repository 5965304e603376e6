/**
 * Sends an answer from its parts. 10,000 records are 30 MB of XML, which take four times as long as one text as in
 * pieces (and all of the memory at once, for each client that asks).
 */
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { inPieces } from '../wire/pieces.ts';
import { WHOLE_REPLY_CHARACTERS } from './limits.ts';

export interface AnswerParts {
  /** All of it when there is no rest. */
  readonly first: string;
  readonly rest?: Generator<string, void>;
}

/** What cannot be written shows before anything is sent, unless it is far behind in a long answer. */
export function begun(parts: Generator<string, void>): AnswerParts {
  let first = '';
  for (;;) {
    const { done, value } = parts.next();
    if (done === true) return { first };
    first += value;
    if (first.length >= WHOLE_REPLY_CHARACTERS) return { first, rest: inPieces(parts) };
  }
}

/** @param stallMs after which a client that takes nothing of a long answer is cut off */
export function sendParts(
  reply: FastifyReply,
  { first, rest }: AnswerParts,
  stallMs: number,
): FastifyReply {
  if (rest === undefined) return reply.send(Buffer.from(first));
  const pieces = whileTaken(sentAsMade(first, rest), reply.raw, stallMs);
  return reply.send(Readable.from(pieces, { objectMode: false }));
}

/** No faster than the client takes it, and others have their turn between two pieces. */
async function* sentAsMade(first: string, rest: Iterable<string>): AsyncGenerator<Buffer> {
  yield Buffer.from(first);
  for (const piece of rest) {
    await setImmediate();
    yield Buffer.from(piece);
  }
}

async function* whileTaken(
  pieces: AsyncIterable<Buffer>,
  response: ServerResponse,
  stallMs: number,
): AsyncGenerator<Buffer> {
  const timer = setTimeout(() => {
    // It waits for the answer to an earlier call of the same connection.
    if (response.socket === null) timer.refresh();
    else response.destroy();
  }, stallMs).unref();
  try {
    for await (const piece of pieces) {
      yield piece;
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
  }
}
