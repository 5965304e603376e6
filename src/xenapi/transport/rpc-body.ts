import type { IncomingMessage } from 'node:http';

/** A call that is longer than any may be. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
}

/**
 * All of a body. A client that does not send it in time is cut off, also one whose body is too large and which
 * sends on.
 * @throws BodyTooLarge, or what the connection failed with
 */
export async function readRpcBody(
  request: IncomingMessage,
  limits: { readonly bytes: number; readonly ms: number },
): Promise<Buffer> {
  limitTime(request, limits.ms);
  const pieces: Buffer[] = [];
  let length = 0;
  const arriving: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const piece of arriving) {
    length += piece.length;
    if (length <= limits.bytes) pieces.push(piece);
    else break;
  }
  if (length <= limits.bytes) return Buffer.concat(pieces);
  request.resume();
  throw new BodyTooLarge(`a call has at most ${limits.bytes} bytes`);
}

/** For what nobody reads: a client may need to have sent it before it looks at the answer. */
export function discardBody(request: IncomingMessage, ms: number): void {
  limitTime(request, ms);
  request.resume();
}

function limitTime(request: IncomingMessage, ms: number): void {
  if (request.complete) return;
  const timer = setTimeout(() => request.destroy(), ms).unref();
  for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer));
}
