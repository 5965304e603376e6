/** Every class with what carries out its messages, and everything that objects are made of. */
import { MessageBook } from './alarms/message-book.ts';
import type { Implementation } from './call.ts';
import type { Ref, Role } from './datamodel/description.ts';
import { Events } from './events/events.ts';
import { eventMessages } from './messages/event/index.ts';
import { hostMessages } from './messages/host/index.ts';
import { messageMessages } from './messages/message/index.ts';
import {
  hostMetricsMessages,
  interfaceMessages,
  networkMessages,
} from './messages/network/index.ts';
import { pbdMessages } from './messages/pbd/index.ts';
import { poolMessages } from './messages/pool/index.ts';
import { pvsMessages } from './messages/pvs/index.ts';
import { secretMessages } from './messages/secret/index.ts';
import { sessionMessages } from './messages/session/session-messages.ts';
import { smMessages } from './messages/sm/index.ts';
import { srMessages } from './messages/sr/index.ts';
import { taskMessages } from './messages/task/index.ts';
import { vbdMessages } from './messages/vbd/index.ts';
import { vdiMessages } from './messages/vdi/index.ts';
import { UnfinishedVdis } from './messages/vdi/unfinished-vdis.ts';
import { vmMessages } from './messages/vm/index.ts';
import type { Projection } from './objects/projector.ts';
import { controlDomainProjection } from './projections/control-domain.ts';
import { THIS_HOST } from './projections/host-facts.ts';
import { MachinesProjection } from './projections/machines.ts';
import { messagesProjection } from './projections/messages.ts';
import { repositoriesProjection } from './projections/repositories.ts';
import { SiteProjection } from './projections/site.ts';
import { HOST_REF } from './projections/site-records.ts';
import { vdisksProjection } from './projections/vdisks.ts';
import { volumesProjection } from './projections/volumes.ts';
import type { Figures } from './rrd/figures.ts';
import type { Sessions } from './sessions/sessions.ts';
import { ControlTasks } from './tasks/control-tasks.ts';
import { Tasks } from './tasks/tasks.ts';
import { REAL_TIMERS } from './timers.ts';
import type { Xen } from './xen.ts';

/** What the messages share beside `Xen`. */
export interface Shared {
  readonly xen: Xen;
  readonly sessions: Sessions;
  readonly tasks: Tasks;
  readonly events: Events;
  readonly book: MessageBook;
  readonly figures: Figures;
}

export function sharedParts(xen: Xen, sessions: Sessions, figures: Figures): Shared {
  const { objects, control } = xen;
  return {
    ...{ xen, sessions, figures },
    tasks: new Tasks({ objects, now: () => control.clock.now() }),
    events: new Events(objects, REAL_TIMERS, (session) => sessions.endOf(session)),
    book: new MessageBook(xen),
  };
}

/** What can be asked of the table of messages, which is made of these. */
export interface OfMessages {
  readonly names: () => readonly string[];
  readonly permissionsOf: (role: Role) => readonly string[];
}

export function allMessages(shared: Shared, all: OfMessages): readonly Implementation[] {
  const { xen, sessions, tasks, events, book, figures } = shared;
  const { objects, control } = xen;
  return [
    sessionMessages({
      ...{ control, sessions, permissionsOf: all.permissionsOf },
      thisHost: () => HOST_REF,
      tasksOf: (session: Ref) => tasks.ofSession(session),
    }),
    poolMessages(),
    hostMessages({ xen, host: THIS_HOST, figures, methods: all.names }),
    hostMetricsMessages(),
    srMessages(xen, figures),
    vdiMessages(xen),
    pbdMessages(xen),
    smMessages(),
    secretMessages(xen),
    vbdMessages(xen),
    vmMessages(xen),
    taskMessages(tasks),
    eventMessages(events),
    messageMessages(objects, book),
    networkMessages(xen),
    interfaceMessages(),
    ...pvsMessages(objects),
  ];
}

/** Those that look at what lies in no row, too: once a second. */
export interface Observing {
  observe(now: number): void;
}

export function allProjections({ xen, tasks }: Shared): {
  readonly projections: readonly Projection[];
  readonly observing: readonly Observing[];
} {
  const site = new SiteProjection(xen);
  const machines = new MachinesProjection(xen);
  const controlTasks = new ControlTasks(xen.control, tasks);
  const projections = [
    site,
    repositoriesProjection(xen),
    volumesProjection(xen),
    vdisksProjection(xen),
    controlDomainProjection(xen),
    machines,
    messagesProjection(xen),
    controlTasks,
  ];
  return { projections, observing: [site, machines, controlTasks, tasks, new UnfinishedVdis(xen)] };
}
