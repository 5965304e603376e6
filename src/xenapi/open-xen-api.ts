/**
 * XenAPI put together: the database of objects and what keeps it, the messages, the two wires and the transfers, on
 * a server that does not listen yet. Read first.
 */
import type { ServerOptions } from 'node:https';
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Control, EventRecord } from '../control/index.ts';
import { Alarms } from './alarms/alarms.ts';
import { MessageBook } from './alarms/message-book.ts';
import type { Ref } from './datamodel/description.ts';
import { DATAMODEL } from './datamodel/index.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { MessageTable } from './dispatch/message-table.ts';
import { Events } from './events/events.ts';
import { imageRoutes } from './http/image-routes.ts';
import { rrdRoutes } from './http/rrd.ts';
import { imagePort } from './http/xen-images.ts';
import { KEEP_ALIVE_MS } from './limits.ts';
import { KeptObjects } from './objects/kept-objects.ts';
import { Objects } from './objects/objects.ts';
import { Projector } from './objects/projector.ts';
import { setKeptField } from './objects/set-kept-field.ts';
import { Operations } from './operations.ts';
import type { DiskName, DiskPort } from './ports.ts';
import { MachinesProjection } from './projections/machines.ts';
import { SiteProjection } from './projections/site.ts';
import type { ThroughputPort } from './rrd/throughput-port.ts';
import { Figures } from './rrd/figures.ts';
import { THIS_HOST } from './projections/host-facts.ts';
import { authenticateRequest } from './sessions/authenticate-request.ts';
import { requireRole } from './sessions/permissions.ts';
import { Sessions } from './sessions/sessions.ts';
import { ControlTasks } from './tasks/control-tasks.ts';
import { Tasks } from './tasks/tasks.ts';
import { REAL_TIMERS } from './timers.ts';
import { transportRoutes } from './transport/routes.ts';
import { unmarshal } from './wire/unmarshal.ts';
import type { WireValue } from './wire/wire-value.ts';
import { xmlValueText } from './wire/xml-reply.ts';
import type { Xen, XenSettings } from './xen.ts';
import { allMessages, allProjections } from './all.ts';

export interface XenApiOptions {
  readonly control: Control;
  readonly disks: DiskPort;
  readonly throughput: ThroughputPort;
  readonly settings: XenSettings;
  /** For images that cannot be read as they come. Exists. */
  readonly temporaryFolder: string;
  readonly logger: FastifyBaseLogger;
  /** Absent: plain HTTP. */
  readonly tls?: Pick<ServerOptions, 'cert' | 'key'>;
}

export interface XenApi {
  /** Routes and nothing that listens: `await app.listen(…)`. */
  readonly app: FastifyInstance;
  /** The disk that an NBD client asks for, whose session must be good. @throws Fault PERMISSION_DENIED */
  readonly diskOf: (asked: { readonly uuid: string; readonly session: Ref }) =>
    | { readonly disk: DiskName }
    | undefined;
  /** To be called about once a second. */
  observe(now: number): void;
  /** To be told of every event of the control plane. */
  note(event: EventRecord): void;
  /** Who waits is answered; what runs is told to end. */
  close(): Promise<void>;
}
