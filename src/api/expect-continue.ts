/**
 * Clients that ask before they send (`Expect: 100-continue`, RFC 9110 section 10.1.1): they are told to go on by
 * whoever wants the body, so that one that is refused is never sent. Node.js would tell them at once.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Those that wait to be told, and whether their connection is to be kept. */
const asking = new WeakMap<IncomingMessage, boolean>();

export function letClientsAsk(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    asking.set(request, response.shouldKeepAlive);
    // A body that nobody asked for may come all the same: nothing else can follow on this connection.
    response.shouldKeepAlive = false;
    server.emit('request', request, response);
  });
}

/** The body is wanted now. */
export function tellToSend(request: IncomingMessage, response: ServerResponse): void {
  const keepAlive = asking.get(request);
  if (keepAlive === undefined) return;
  asking.delete(request);
  response.shouldKeepAlive = keepAlive;
  response.writeContinue();
}
