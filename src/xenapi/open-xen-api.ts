/**
 * XenAPI put together: the database of objects and what keeps it, the messages, the two wires and the transfers, on
 * a server that does not listen yet. Read first.
 */
import { setTimeout as delay } from 'node:timers/promises';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
} from 'fastify';
import type { Control, EventRecord } from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import { Alarms } from './alarms/alarms.ts';
import type { Caller } from './call.ts';
import type { Ref } from './datamodel/description.ts';
import { OBJECT_CLASSES } from './datamodel/index.ts';
import { mayAs } from './datamodel/roles.ts';
import { VDI } from './datamodel/vdi.ts';
import { diskNameOf, diskOf } from './disks/disk.ts';
import { VDISK_SR } from './disks/vdisk-sr.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { MessageTable } from './dispatch/message-table.ts';
import { imageRoutes } from './http/image-routes.ts';
import { queryOf } from './http/request-parameters.ts';
import { rrdRoutes } from './http/rrd.ts';
import { XenImages } from './http/xen-images.ts';
import { HEADERS_MS, KEEP_ALIVE_MS } from './limits.ts';
import { KeptObjects } from './objects/kept-objects.ts';
import { Objects } from './objects/objects.ts';
import { Projector } from './objects/projector.ts';
import { setKeptField } from './objects/set-kept-field.ts';
import { Operations } from './operations.ts';
import { allMessages, allProjections, type Shared, sharedParts } from './parts.ts';
import type { DiskName, DiskPort } from './ports.ts';
import { THIS_HOST } from './projections/host-facts.ts';
import { Figures } from './rrd/figures.ts';
import type { ThroughputPort } from './rrd/throughput-port.ts';
import { authenticateRequest } from './sessions/authenticate-request.ts';
import { permissionsOf } from './sessions/permissions.ts';
import { Sessions } from './sessions/sessions.ts';
import { transportRoutes } from './transport/routes.ts';
import { unmarshal } from './wire/unmarshal.ts';
import type { WireValue } from './wire/wire-value.ts';
import { xmlValueText } from './wire/xml-reply.ts';
import type { Xen, XenSettings } from './xen.ts';

export interface XenApiOptions {
  readonly control: Control;
  readonly disks: DiskPort;
  readonly throughput: ThroughputPort;
  readonly settings: XenSettings;
  /** For images that cannot be read as they come. Exists. */
  readonly temporaryFolder: string;
  readonly logger: FastifyBaseLogger;
  /** PEM; absent: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export interface XenApi {
  /** Routes and nothing that listens: `await app.listen(…)`. */
  readonly app: FastifyInstance;
  /**
   * The disk that an NBD client asks for; undefined: there is none.
   * @throws Fault PERMISSION_DENIED: the session is none, or may not read disks
   */
  readonly diskOf: (asked: {
    readonly uuid: string;
    readonly session: Ref;
  }) => { readonly disk: DiskName } | undefined;
  /** To be called about once a second. */
  observe(now: number): void;
  /** To be told of every event of the control plane. */
  note(event: EventRecord): void;
  /** Who waits is answered, what runs is told to end, nobody is let in any more. */
  close(): Promise<void>;
}

/** Generations grow from the time of the start: a token of a run before is smaller than any of this one. */
const GENERATIONS_PER_MS = 1000;

export function openXenApi(options: XenApiOptions): XenApi {
  const { control, logger } = options;
  const log = (what: string, err: unknown): void => logger.error({ err }, what);
  const objects = new Objects(OBJECT_CLASSES, control.clock.now() * GENERATIONS_PER_MS);
  const xen: Xen = {
    ...{ control, objects, log, disks: options.disks, settings: options.settings },
    kept: new KeptObjects(control.catalog),
    operations: new Operations(objects),
  };
  const sleep = (ms: number) => delay(ms, undefined, { ref: false });
  const sessions = new Sessions({ control, sleep });
  const { throughput } = options;
  const figures = new Figures({ xen, host: THIS_HOST, throughput, vdiskSr: () => VDISK_SR });
  const shared = sharedParts(xen, sessions, figures);
  const table = messageTable(shared);
  const { projections, observing } = allProjections(shared);
  const projector = new Projector(control.catalog, objects, projections, (error) =>
    log('a picture of the catalog could not be made', error),
  );
  const app = serverOf(options, shared, table);
  const alarms = new Alarms(xen, shared.book);
  return {
    app,
    diskOf: (asked) => diskOfSession(xen, sessions, asked),
    observe: (now) => {
      for (const each of [...observing, figures]) each.observe(now);
    },
    note: (event) => alarms.note(event),
    close: async () => {
      sessions.close();
      shared.events.close();
      shared.tasks.close();
      await app.close();
      projector.close();
    },
  };
}

function messageTable(shared: Shared): MessageTable {
  const { xen } = shared;
  const table: MessageTable = new MessageTable(
    allMessages(shared, {
      names: () => table.names(),
      permissionsOf: (role) => permissionsOf(role, table.entries()),
    }),
    xen.objects,
    (...kept) => setKeptField(xen, ...kept),
  );
  return table;
}

function serverOf(options: XenApiOptions, shared: Shared, table: MessageTable): FastifyInstance {
  const { logger, tls } = options;
  const { xen, sessions, tasks, figures } = shared;
  const dispatcher = new Dispatcher<WireValue>({
    ...{ table, objects: xen.objects, tasks, unmarshal, resultText: xmlValueText },
    callerOf: (session) => sessions.callerOf(session),
    failed: (method, error) => xen.log(`${method} failed`, error),
  });
  const app = fastify({
    loggerInstance: logger.child({}, { serializers: { req: requestInLog } }),
    ...(tls === undefined ? {} : { https: { ...tls, handshakeTimeout: HEADERS_MS } }),
    requestTimeout: 0, // an image takes as long as it takes, and each kind of body has its own time
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
  }) as unknown as FastifyInstance;
  app.server.headersTimeout = HEADERS_MS;
  imageRoutes(app, {
    port: new XenImages(xen, sessions, tasks),
    temporaryFolder: options.temporaryFolder,
    log: xen.log,
    now: () => performance.now(),
  });
  rrdRoutes(app, {
    ...{ figures, objects: xen.objects },
    authenticate: (request) => authenticateRequest(sessions, credentialsOf(request)),
  });
  transportRoutes(app, {
    dispatch: (call) => dispatcher.dispatch({ ...call, gone: call.signal }),
    product: `Rootcast ${xen.control.version}`,
  });
  return app;
}

/** Without the query, which has sessions in it. */
function requestInLog({ method, url, ip }: FastifyRequest) {
  const [path] = url.split('?', 1);
  return { method, path, remoteAddress: ip };
}

function credentialsOf({ headers, url, ip: address }: FastifyRequest) {
  return { headers, query: queryOf(url), address };
}

function diskOfSession(
  xen: Xen,
  sessions: Sessions,
  { uuid, session }: { readonly uuid: string; readonly session: Ref },
) {
  const { role } = callerOf(sessions, session);
  // The name of an export can be made up by whoever knows a uuid: it opens to those who may be told it.
  if (!mayAs(role, VDI.messages.get_nbd_info.role)) {
    throw new Fault('PERMISSION_DENIED', `${role} may not read disks`);
  }
  const ref = xen.objects.byUuid(VDI.name, uuid);
  return ref === undefined ? undefined : { disk: diskNameOf(xen, diskOf(xen, ref)) };
}

function callerOf(sessions: Sessions, session: Ref): Caller {
  try {
    return sessions.callerOf(session);
  } catch (cause) {
    throw new Fault('PERMISSION_DENIED', 'there is no such session', {}, { cause });
  }
}
