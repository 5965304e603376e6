/** The REST API: one plugin per resource under /v1, each route one operation of the control plane. */
import { randomUUID } from 'node:crypto';
import { maxHeaderSize } from 'node:http';
import type { Socket } from 'node:net';
import bearerAuth from '@fastify/bearer-auth';
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply } from 'fastify';
import Type from 'typebox';
import { actingAs, type Control } from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import { actorOf } from './actor-of-request.ts';
import { limitBodyTime } from './body-time.ts';
import { letClientsAsk, tellToSend } from './expect-continue.ts';
import { faultOfError } from './fault-of-error.ts';
import {
  KEEP_ALIVE_MS,
  MAX_BODY_BYTES,
  MAX_PARAMETER_LENGTH,
  REQUEST_TIMEOUT_MS,
} from './limits.ts';
import { PROBLEM_TYPE, type Problem, problemOf } from './problem.ts';
import type { ApiInstance, SchemaTypes } from './route-provider.ts';
import { eventRoutes, leaseRoutes, statusRoutes } from './routes/activity.ts';
import { bootMediaRoutes } from './routes/boot-media.ts';
import { bootRoutes } from './routes/boots.ts';
import { bundleRoutes } from './routes/bundles.ts';
import { collectionRoutes } from './routes/collections.ts';
import { enrolmentPolicyRoutes, enrolmentRoutes } from './routes/enrolments.ts';
import { exportRoutes } from './routes/exports.ts';
import { fenceRoutes } from './routes/fences.ts';
import { hookRoutes } from './routes/hooks.ts';
import { hostRoutes } from './routes/hosts.ts';
import { machineRoutes } from './routes/machines.ts';
import { mappingRoutes } from './routes/mappings.ts';
import { personalityRoutes } from './routes/personality.ts';
import { replicationRoutes } from './routes/replications.ts';
import { repositoryRoutes } from './routes/repositories.ts';
import { repositoryCheckRoutes } from './routes/repository-checks.ts';
import { snapshotScheduleRoutes } from './routes/snapshot-schedules.ts';
import { snapshotRoutes } from './routes/snapshots.ts';
import { taskRoutes } from './routes/tasks.ts';
import { uploadRoutes } from './routes/uploads.ts';
import { vdiskReplicaRoutes } from './routes/vdisk-replicas.ts';
import { vdiskRoutes } from './routes/vdisks.ts';
import { versionRoutes } from './routes/versions.ts';
import { volumeGroupRoutes } from './routes/volume-groups.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { xenUserRoutes } from './routes/xen-users.ts';
import { faultOfValidation, validatorCompiler } from './validation.ts';

const STORAGE_ROUTES = [
  repositoryRoutes,
  repositoryCheckRoutes,
  volumeRoutes,
  snapshotRoutes,
  mappingRoutes,
  hostRoutes,
  fenceRoutes,
  volumeGroupRoutes,
  snapshotScheduleRoutes,
  hookRoutes,
  replicationRoutes,
  vdiskReplicaRoutes,
];

export interface ApiOptions {
  readonly control: Control;
  /** The bearer token that every route but /v1/health asks for. Not empty. */
  readonly token: string;
  readonly logger?: FastifyBaseLogger;
}

/** Does not listen: `await app.listen({ host, port })`, and `await app.close()` to drain. */
export function buildApi(options: ApiOptions): FastifyInstance {
  const { control, token, logger } = options;
  if (token === '') throw new Fault('INVALID_INPUT', 'the API token is empty', { field: 'token' });
  const app: ApiInstance = fastify({
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    requestTimeout: 0, // an image takes as long as it takes: see limitBodyTime
    keepAliveTimeout: KEEP_ALIVE_MS,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    frameworkErrors: (error, request, reply) => {
      const { fault, status } = faultOfError(error);
      sendProblem(reply as unknown as FastifyReply, problemOf(fault, request.id, status));
    },
    clientErrorHandler: answerUnreadable,
    schemaErrorFormatter: faultOfValidation,
  }).withTypeProvider<SchemaTypes>();
  app.setValidatorCompiler(validatorCompiler());
  // Answers have the types of their schemas. The serializer that fastify makes of a schema tries each
  // member of a union with Ajv: ten times the work for a list of machines.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  errorsAsProblems(app);
  bodiesInTime(app);
  app.register(swagger, { openapi: openApiHead(control.version) });
  app.register(healthRoute(control), { prefix: '/v1' });
  app.register(guardedRoutes(control, token), { prefix: '/v1' });
  return app as unknown as FastifyInstance;
}

function bodiesInTime(app: ApiInstance): void {
  app.server.headersTimeout = REQUEST_TIMEOUT_MS;
  letClientsAsk(app.server);
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (request.routeOptions.config.streams !== true) {
      tellToSend(request.raw, reply.raw);
      limitBodyTime(request.raw);
    }
    done(null, payload);
  });
}

function errorsAsProblems(app: ApiInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const { bodyLimit, config } = request.routeOptions;
    const { fault, status } = faultOfError(error, bodyLimit, config.bodyType);
    const problem = problemOf(fault, request.id, status);
    if (fault.code === 'INTERNAL') request.log.error({ err: error }, 'request failed');
    else request.log.info({ code: fault.code, field: fault.details.field }, fault.message);
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const fault = new Fault('NOT_FOUND', `there is no ${request.method} ${request.url}`, {
      field: 'url',
      expected: 'a route of /v1/openapi.json',
    });
    return sendProblem(reply, problemOf(fault, request.id));
  });
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).header('content-type', PROBLEM_TYPE).send(problem);
}

/** Bytes that are not HTTP, or headers beyond Node's limit: there is no request to answer. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) return;
  const tooLong = error.code === 'HPE_HEADER_OVERFLOW';
  const fault = tooLong
    ? new Fault('LIMIT_EXCEEDED', `the headers are longer than ${maxHeaderSize} bytes`)
    : new Fault('INVALID_INPUT', 'this is not an HTTP request');
  const body = JSON.stringify(problemOf(fault, randomUUID(), tooLong ? 431 : 400));
  const status = tooLong ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function openApiHead(version: string): NonNullable<FastifyDynamicSwaggerOptions['openapi']> {
  return {
    openapi: '3.1.0',
    info: { title: 'Rootcast', version, description: 'Boots many machines from one shared image.' },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    security: [{ token: [] }],
  };
}

function healthRoute(control: Control) {
  const Health = Type.Object({ status: Type.Literal('ok'), version: Type.String() });
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/health',
      {
        schema: {
          operationId: 'health',
          summary: 'Whether the service answers; needs no token',
          tags: ['status'],
          security: [],
          response: { 200: Health },
        },
      },
      () => ({ status: 'ok' as const, version: control.version }),
    );
  };
}

function guardedRoutes(control: Control, token: string) {
  return async (app: ApiInstance): Promise<void> => {
    // Compares in constant time, before a byte of the body is read.
    await app.register(bearerAuth, {
      keys: new Set([token]),
      addHook: false,
      specCompliance: 'rfc6749', // 'bearer' in any case, RFC 9110 §11.1
      verifyErrorLogLevel: 'info',
    });
    const verify = app.verifyBearerAuth;
    if (verify === undefined) throw new Fault('INTERNAL', 'bearer-auth is not registered');
    app.addHook('onRequest', verify);
    // All that follows happens inside `done`. The body arrives in the context of its socket, but fastify goes
    // on in the request's (a test over a real listener holds it to that).
    app.addHook('onRequest', (request, _reply, done) => actingAs(actorOf(request), done));
    app.register(vdiskRoutes(control));
    app.register(versionRoutes(control));
    app.register(exportRoutes(control));
    app.register(bundleRoutes(control));
    app.register(bootMediaRoutes(control));
    app.register(uploadRoutes(control));
    app.register(machineRoutes(control));
    app.register(bootRoutes(control));
    app.register(collectionRoutes(control));
    app.register(personalityRoutes(control));
    app.register(enrolmentRoutes(control));
    app.register(enrolmentPolicyRoutes(control));
    for (const routes of STORAGE_ROUTES) app.register(routes(control));
    app.register(xenUserRoutes(control));
    app.register(taskRoutes(control));
    app.register(eventRoutes(control));
    app.register(leaseRoutes(control));
    app.register(statusRoutes(control));
    app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  };
}
