/** A body that is read as it comes. */
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingStream } from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import { tellToSend } from './expect-continue.ts';
import { BODY_IDLE_MS, BODY_LINGER_MS } from './limits.ts';

/** Nothing is asked for before its pieces are. */
export function incomingBody(request: FastifyRequest, reply: FastifyReply): IncomingStream {
  const { raw } = request;
  const length = raw.headers['content-length'];
  reply.raw.once('finish', () => linger(raw));
  return {
    length: length === undefined ? undefined : Number(length),
    pieces: piecesOf(raw, () => {
      tellToSend(raw, reply.raw);
      // Closed at once, the connection would take the answer with it that the client does not expect yet.
      reply.raw.shouldKeepAlive = true;
    }),
  };
}

/** @throws Fault CANCELLED when the client goes away, UNAVAILABLE when it falls silent */
async function* piecesOf(raw: IncomingMessage, begin: () => void): AsyncGenerator<Buffer> {
  begin();
  // Whoever has had enough still wants to answer.
  const pieces: AsyncIterator<Buffer> = raw
    .iterator({ destroyOnReturn: false })
    [Symbol.asyncIterator]();
  try {
    for (;;) {
      const { value, done } = await inTime(pieces.next());
      if (done === true) return;
      yield value;
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    const message = 'the client went away before it had sent everything';
    throw new Fault('CANCELLED', message, { field: 'body' }, { cause: error });
  } finally {
    await pieces.return?.();
  }
}

async function inTime<T>(next: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const details = { field: 'body', expected: 'all of it' };
      const message = `the client has sent nothing for ${BODY_IDLE_MS / 1000} s`;
      reject(new Fault('UNAVAILABLE', message, details));
    }, BODY_IDLE_MS);
  });
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
    next.catch(() => undefined);
  }
}

/**
 * It was answered before all of it had come, which is a refusal as a rule. A client that reads the answer stops
 * by itself; one that does not is cut off.
 */
function linger(raw: IncomingMessage): void {
  if (raw.complete) return;
  raw.on('error', () => undefined);
  raw.resume();
  const timer = setTimeout(() => raw.destroy(), BODY_LINGER_MS).unref();
  for (const event of ['end', 'close']) raw.once(event, () => clearTimeout(timer));
}
