/**
 * XenAPI's calls over HTTP, as xapi takes them (http_svr.ml, api_server.ml): it chooses the handler whose path is
 * the longest beginning of the one asked for, so that a POST to any path that nobody else has is XML-RPC (clients
 * use `/`, `/RPC2`, `/xmlrpc`, and `/json`, which is none the less XML). What a request says of the type of its
 * body does not count.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { WireViolation } from '../wire/wire-violation.ts';
import { XenError } from '../xen-error.ts';
import { type AnswerParts, begun, sendParts } from './answer-parts.ts';
import { whileConnected } from './client-gone.ts';
import type { Dispatch } from './dispatch-port.ts';
import { type Exchange, type ReadExchange, readJsonExchange, readXmlExchange } from './exchange.ts';
import { MAX_RPC_BODY_BYTES, REPLY_STALL_MS, RPC_BODY_MS } from './limits.ts';
import { sendPage } from './page.ts';
import { BodyTooLarge, discardBody, readRpcBody } from './rpc-body.ts';

export interface TransportOptions {
  readonly dispatch: Dispatch;
  /** What GET / says that this is. */
  readonly product: string;
  /** In which a body must have come; shorter in tests. */
  readonly bodyMs?: number;
  /** That a client may take nothing of a long answer; shorter in tests. */
  readonly stallMs?: number;
}

/**
 * Adds the routes to a server that has no not-found handler. Other routes of it are chosen before these when they
 * are more exact; nothing else of it is changed.
 */
export function transportRoutes(app: FastifyInstance, options: TransportOptions): void {
  app.register(async (scope) => {
    // Bodies are read by whoever wants them.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.addHook('onRequest', (request, reply, done) => {
      reply.header('cache-control', 'no-cache, no-store');
      // Fastify refuses a type that is not well-formed.
      delete request.raw.headers['content-type'];
      done();
    });
    scope.setNotFoundHandler((request, reply) => noHandler(request, reply, options));
    scope.setErrorHandler(answerError);
    const xml = answering(readXmlExchange, options);
    const json = answering(readJsonExchange, options);
    scope.post('/*', xml);
    for (const path of ['/jsonrpc', '/jsonrpc/*']) scope.post(path, json);
    scope.options('/*', preflight);
    scope.get('/', (_request, reply) => welcome(reply, options.product));
  });
}

function answering(read: ReadExchange, options: TransportOptions) {
  const { dispatch, bodyMs = RPC_BODY_MS, stallMs = REPLY_STALL_MS } = options;
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const limits = { bytes: MAX_RPC_BODY_BYTES, ms: bodyMs };
    tellToSend(request, reply);
    const exchange = read(await readRpcBody(request.raw, limits));
    allowOrigins(reply).header('content-type', exchange.contentType);
    const parts = await whileConnected(request.raw.socket, (signal) =>
      answerOf(request, exchange, dispatch, signal),
    );
    return sendParts(reply, parts, stallMs);
  };
}

/** The server's owner may have left it to the routes to tell clients that ask whether to send (RFC 9110 §10.1.1). */
function tellToSend(request: FastifyRequest, reply: FastifyReply): void {
  const { server } = request.server;
  const asks = request.headers.expect !== undefined;
  if (asks && server.listenerCount('checkContinue') > 0) reply.raw.writeContinue();
}

/** The parts of the answer; those of a failure are one. Never rejects. */
async function answerOf(
  request: FastifyRequest,
  exchange: Exchange,
  dispatch: Dispatch,
  signal: AbortSignal,
): Promise<AnswerParts> {
  const { headers } = request;
  const taskId = headers['task-id'] ?? headers['subtask-of'];
  try {
    const { type, value } = await dispatch({
      ...exchange.call,
      address: request.ip,
      headers,
      subtaskOf: typeof taskId === 'string' ? taskId : undefined,
      signal,
    });
    return begun(exchange.success(type, value));
  } catch (error) {
    if (error instanceof XenError) return { first: exchange.failure(error.description) };
    request.log.error({ err: error, method: exchange.call.method }, 'a XenAPI call failed');
    const message = error instanceof Error ? error.message : String(error);
    return { first: exchange.failure(['INTERNAL_ERROR', message]) };
  }
}

function allowOrigins(reply: FastifyReply): FastifyReply {
  return reply
    .header('access-control-allow-origin', '*')
    .header('access-control-allow-headers', 'X-Requested-With');
}

/** Pages of other origins may call. */
function preflight(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const asked = request.headers['access-control-request-headers'];
  allowOrigins(reply).header('access-control-allow-methods', 'PUT');
  if (asked !== undefined) {
    reply.header('access-control-allow-headers', `${asked}, X-Requested-With`);
  }
  return reply.code(200).send();
}

function welcome(reply: FastifyReply, product: string): FastifyReply {
  const text = 'XenAPI: XML-RPC is posted to /, JSON-RPC to /jsonrpc.';
  return sendPage(reply, 200, product, text);
}

/** http_svr.ml: a path that is no handler's is forbidden, a method that is no handler's not implemented. */
function noHandler(
  request: FastifyRequest,
  reply: FastifyReply,
  { bodyMs = RPC_BODY_MS }: TransportOptions,
): FastifyReply {
  discardBody(request.raw, bodyMs);
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return sendPage(reply, 404, 'HTTP 404 not found', 'There is no such page.');
    case 'PUT':
      return sendPage(reply, 403, 'HTTP 403 forbidden', 'Nothing is accepted at this path.');
    default:
      return sendPage(reply, 501, 'HTTP 501 method not implemented', 'This method is not served.');
  }
}

/** Of what is no call: there is none that could be answered by its own means. */
function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof WireViolation) {
    request.log.info({ violation: error.violation }, 'not a XenAPI call');
    reply.header('connection', 'close');
    const text = `The request is not a call (${error.violation}): ${error.message}.`;
    return sendPage(reply, 500, 'HTTP 500 internal server error', text);
  }
  if (error instanceof BodyTooLarge) {
    return sendPage(reply, 413, 'HTTP 413 content too large', `${error.message}.`);
  }
  // The client is gone, or was cut off.
  if (request.raw.socket.destroyed) return reply.code(400).send();
  request.log.error({ err: error }, 'a XenAPI request failed');
  return sendPage(reply, 500, 'HTTP 500 internal server error', 'See the log of the service.');
}
