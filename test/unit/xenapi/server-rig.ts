/** The classes of the server itself over a real control plane, with a clock that the test turns where time matters. */
import { Alarms } from '../../../src/xenapi/alarms/alarms.ts';
import { MessageBook } from '../../../src/xenapi/alarms/message-book.ts';
import type { ClassDescription, Ref } from '../../../src/xenapi/datamodel/description.ts';
import { EVENT_CLASS } from '../../../src/xenapi/datamodel/event.ts';
import { HOST } from '../../../src/xenapi/datamodel/host.ts';
import { HOST_METRICS } from '../../../src/xenapi/datamodel/host-metrics.ts';
import { MESSAGE } from '../../../src/xenapi/datamodel/message.ts';
import { NETWORK } from '../../../src/xenapi/datamodel/network.ts';
import { PIF } from '../../../src/xenapi/datamodel/pif.ts';
import { POOL } from '../../../src/xenapi/datamodel/pool.ts';
import { PVS_CACHE_STORAGE } from '../../../src/xenapi/datamodel/pvs-cache-storage.ts';
import { PVS_PROXY } from '../../../src/xenapi/datamodel/pvs-proxy.ts';
import { PVS_SERVER } from '../../../src/xenapi/datamodel/pvs-server.ts';
import { PVS_SITE } from '../../../src/xenapi/datamodel/pvs-site.ts';
import { TASK } from '../../../src/xenapi/datamodel/task.ts';
import { Events } from '../../../src/xenapi/events/events.ts';
import { eventMessages } from '../../../src/xenapi/messages/event/index.ts';
import { hostMessages } from '../../../src/xenapi/messages/host/index.ts';
import { messageMessages } from '../../../src/xenapi/messages/message/index.ts';
import {
  hostMetricsMessages,
  interfaceMessages,
  networkMessages,
} from '../../../src/xenapi/messages/network/index.ts';
import { poolMessages } from '../../../src/xenapi/messages/pool/index.ts';
import { pvsMessages } from '../../../src/xenapi/messages/pvs/index.ts';
import { taskMessages } from '../../../src/xenapi/messages/task/index.ts';
import { refOf } from '../../../src/xenapi/objects/refs.ts';
import type { HostFacts } from '../../../src/xenapi/projections/host-facts.ts';
import { MachinesProjection } from '../../../src/xenapi/projections/machines.ts';
import { messagesProjection } from '../../../src/xenapi/projections/messages.ts';
import { SiteProjection } from '../../../src/xenapi/projections/site.ts';
import { Figures } from '../../../src/xenapi/rrd/figures.ts';
import type { Transferred } from '../../../src/xenapi/rrd/throughput-port.ts';
import { ControlTasks } from '../../../src/xenapi/tasks/control-tasks.ts';
import { Tasks } from '../../../src/xenapi/tasks/tasks.ts';
import type { Xen, XenSettings } from '../../../src/xenapi/xen.ts';
import { XenError } from '../../../src/xenapi/xen-error.ts';
import { XenRig } from '../../support/xen-rig.ts';
import { ManualTimers } from './manual-timers.ts';

export const CLASSES: readonly ClassDescription[] = [
  ...[POOL, HOST, HOST_METRICS, TASK, EVENT_CLASS, MESSAGE, NETWORK, PIF],
  ...[PVS_SITE, PVS_SERVER, PVS_PROXY, PVS_CACHE_STORAGE],
];

export class FakeHost implements HostFacts {
  free = 2 ** 30;
  address = '192.0.2.7';
  hostname = () => 'stable';
  release = () => '6.12.0';
  cpus = () => Array.from({ length: 4 }, () => ({ model: 'Abacus', speed: 2400 }));
  totalMemory = () => 2 ** 32;
  freeMemory = () => this.free;
  uptime = () => 1000;
  interfaces = () => ({
    lo: [address('127.0.0.1', '255.0.0.0', 8)],
    eth0: [
      address(this.address, '255.255.255.0', 24),
      address('fe80::1', 'ffff:ffff:ffff:ffff::', 64),
      address('2001:db8::7', 'ffff:ffff:ffff:ffff::', 64),
    ],
  });
}

function address(ip: string, netmask: string, prefix: number) {
  const facts = { address: ip, netmask, mac: '02:00:00:00:00:07', cidr: `${ip}/${prefix}` };
  const internal = ip.startsWith('127.');
  if (ip.includes(':')) return { ...facts, internal, family: 'IPv6' as const, scopeid: 0 };
  return { ...facts, internal, family: 'IPv4' as const };
}

export interface ServerRigOptions {
  readonly path?: string;
  readonly settings?: Partial<XenSettings>;
  readonly classes?: readonly ClassDescription[];
}

export interface ServerRig {
  readonly rig: XenRig;
  readonly xen: Xen;
  readonly host: FakeHost;
  readonly tasks: Tasks;
  readonly events: Events;
  readonly timers: ManualTimers;
  readonly figures: Figures;
  readonly alarms: Alarms;
  readonly site: SiteProjection;
  readonly machines: MachinesProjection;
  readonly controlTasks: ControlTasks;
  readonly transferred: Map<string, Transferred>;
  /** What is read of layers as they are. */
  readonly layers: { -readonly [Figure in keyof Transferred]: Transferred[Figure] };
  /** Of each disk, by its id. */
  readonly ofDisks: Map<string, Transferred>;
  /** Of a session. */
  readonly ends: Map<Ref, AbortController>;
  close(): Promise<void>;
}

type Parts = Omit<ServerRig, 'rig' | 'close'>;

export async function serverRig(options: ServerRigOptions = {}): Promise<ServerRig> {
  let parts: Parts | undefined;
  const partsOf = (xen: Xen): Parts => {
    parts ??= makeParts(xen);
    return parts;
  };
  const rig = await XenRig.open({
    classes: [...CLASSES, ...(options.classes ?? [])],
    ...(options.path === undefined ? {} : { path: options.path }),
    settings: { address: '192.0.2.7', ...options.settings },
    projections: (xen) => {
      const { site, machines, controlTasks } = partsOf(xen);
      return [site, machines, controlTasks, messagesProjection(xen)];
    },
    implementations: (xen) => implementations(xen, partsOf(xen)),
    tasks: (xen) => partsOf(xen).tasks,
  });
  const made = partsOf(rig.xen);
  return {
    rig,
    ...made,
    close: async () => {
      made.events.close();
      made.tasks.close();
      await rig.close();
    },
  };
}

function makeParts(xen: Xen): Parts {
  const { objects, control } = xen;
  const timers = new ManualTimers();
  const host = new FakeHost();
  const ends = new Map<Ref, AbortController>();
  const endOf = (session: Ref): AbortSignal => {
    const end = ends.get(session) ?? new AbortController();
    ends.set(session, end);
    return end.signal;
  };
  const tasks = new Tasks({ objects, now: () => timers.now() });
  const transferred = new Map<string, Transferred>();
  const layers = { bytesRead: 0, bytesWritten: 0, readRequests: 0, writeRequests: 0 };
  const ofDisks = new Map<string, Transferred>();
  const throughput = {
    ofRepositories: () => transferred,
    ofLayers: () => layers,
    // Looked at now, as the service does: a map that goes on would change what was.
    ofDisks: () => new Map(ofDisks),
  };
  return {
    ...{ xen, host, timers, tasks, transferred, layers, ofDisks, ends },
    events: new Events(objects, timers, endOf),
    figures: new Figures({ xen, host, throughput, vdiskSr: () => refOf('SR', 'vdisks') }),
    alarms: new Alarms(xen, new MessageBook(xen)),
    site: new SiteProjection(xen, host),
    machines: new MachinesProjection(xen, host),
    controlTasks: new ControlTasks(control, tasks),
  };
}

function implementations(xen: Xen, { host, figures, tasks, events }: Parts) {
  const { objects } = xen;
  return [
    poolMessages(),
    hostMessages({ xen, host, figures, methods: () => ['pool.get_all'] }),
    hostMetricsMessages(),
    taskMessages(tasks),
    eventMessages(events),
    messageMessages(objects, new MessageBook(xen)),
    networkMessages(xen),
    interfaceMessages(),
    ...pvsMessages(objects),
  ];
}

/** What a session ends with. */
export const sessionEnd = (session: Ref): XenError => new XenError('SESSION_INVALID', [session]);
