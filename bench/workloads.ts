/** What is asked of the servers: data only. Who runs it: load/ (our own client) and fio.ts. */

/**
 * What a server must offer to take part.
 * `image`: reads of the shared image. `overlay`: one export whose writes never reach the image; what
 * it does with a flush does not matter. `machines`: many such exports, each apart from the others.
 * `persistent`: many, and what was flushed survives the death of the host.
 */
export type Access = 'image' | 'overlay' | 'machines' | 'persistent';

export type WorkloadId =
  | 'read-4k-qd1'
  | 'read-4k-qd32'
  | 'read-4k-qd32-c4'
  | 'read-128k-qd8'
  | 'write-128k-qd8'
  | 'write-4k-first'
  | 'write-4k-again'
  | 'flush-1'
  | 'flush-32'
  | 'mix-80-20'
  | 'boot-1-paced'
  | 'boot-100'
  | 'flood-and-boot'
  | 'idle-1000'
  | 'slow-origin'
  | 'chain-1'
  | 'chain-30'
  | 'one-worker'
  | 'two-workers'
  | 'iscsi-read-4k-qd32'
  | 'iscsi-read-128k-qd8'
  | 'nfs-read-4k-qd32'
  | 'nfs-read-128k-qd8';

export type Pattern =
  | 'random-read'
  | 'sequential-read'
  | 'random-write'
  | 'sequential-write'
  /** Each write is followed by a flush. */
  | 'write-flush'
  /** Four reads for each write, 4 KiB to 64 KiB. */
  | 'mix'
  /** The recorded boot (bench/traces), each machine by itself. */
  | 'trace'
  /** One machine writes without end while the others replay the trace. */
  | 'flood-and-trace'
  /** Connections that ask nothing. */
  | 'idle';

export interface Workload {
  readonly id: WorkloadId;
  readonly title: string;
  readonly access: Access;
  readonly pattern: Pattern;
  /** Of a request; 0 where the pattern says it. */
  readonly blockBytes: number;
  /** Requests in flight on each connection. */
  readonly queueDepth: number;
  /** Connections of each machine, or of the image. */
  readonly connections: number;
  /** Exports in use at once; 1 for the image and for one overlay. */
  readonly machines: number;
  /** A trace is replayed with its recorded think times; else as fast as the answers come. */
  readonly paced: boolean;
  /**
   * `time`: as many requests as fit; can be measured again. `once`: to its end (every block of the area
   * once, the trace once); what it does to the server cannot be undone, so it is measured once a round.
   */
  readonly extent: 'time' | 'once';
  /** fio's nbd engine can ask the same. */
  readonly fio: boolean;
  /** Only these targets; undefined: all that offer `access`. */
  readonly only?: readonly string[];
}

const KIB = 1024;

const BASE = {
  access: 'image',
  blockBytes: 4 * KIB,
  queueDepth: 1,
  connections: 1,
  machines: 1,
  paced: false,
  extent: 'time',
  fio: false,
} as const satisfies Partial<Workload>;

const reads: readonly Workload[] = [
  {
    ...BASE,
    id: 'read-4k-qd1',
    title: '4 KiB random reads, one at a time',
    pattern: 'random-read',
    fio: true,
  },
  {
    ...BASE,
    id: 'read-4k-qd32',
    title: '4 KiB random reads, 32 in flight',
    pattern: 'random-read',
    queueDepth: 32,
    fio: true,
  },
  {
    ...BASE,
    id: 'read-4k-qd32-c4',
    title: '4 KiB random reads, 32 in flight on each of 4 connections',
    pattern: 'random-read',
    queueDepth: 32,
    connections: 4,
    fio: true,
  },
  {
    ...BASE,
    id: 'read-128k-qd8',
    title: '128 KiB sequential reads, 8 in flight',
    pattern: 'sequential-read',
    blockBytes: 128 * KIB,
    queueDepth: 8,
    fio: true,
  },
];

const writes: readonly Workload[] = [
  {
    ...BASE,
    id: 'write-4k-first',
    title: '4 KiB random writes, every block of an area for the first time, 32 in flight',
    access: 'overlay',
    pattern: 'random-write',
    queueDepth: 32,
    extent: 'once',
    fio: true,
  },
  {
    ...BASE,
    id: 'write-4k-again',
    title: '4 KiB random writes, every block of the area again, 32 in flight',
    access: 'overlay',
    pattern: 'random-write',
    queueDepth: 32,
    extent: 'once',
    fio: true,
  },
  {
    ...BASE,
    id: 'write-128k-qd8',
    title: '128 KiB sequential writes, an area for the first time, 8 in flight',
    access: 'overlay',
    pattern: 'sequential-write',
    blockBytes: 128 * KIB,
    queueDepth: 8,
    extent: 'once',
  },
  {
    ...BASE,
    id: 'mix-80-20',
    title: 'four reads for each write, 4 to 64 KiB at random places, 8 in flight',
    access: 'overlay',
    pattern: 'mix',
    blockBytes: 0,
    queueDepth: 8,
  },
  {
    ...BASE,
    id: 'flush-1',
    title: 'one machine: 4 KiB random writes, each flushed (a request is the pair)',
    access: 'persistent',
    pattern: 'write-flush',
    fio: true,
  },
  {
    ...BASE,
    id: 'flush-32',
    title: '32 machines at once: 4 KiB random writes, each flushed (a request is the pair)',
    access: 'persistent',
    pattern: 'write-flush',
    fio: true,
    machines: 32,
  },
];

const storms: readonly Workload[] = [
  {
    ...BASE,
    id: 'boot-1-paced',
    title: 'one machine boots, with think time between its requests',
    access: 'persistent',
    pattern: 'trace',
    blockBytes: 0,
    paced: true,
    extent: 'once',
  },
  {
    ...BASE,
    id: 'boot-100',
    title: '100 machines boot at once, as fast as the answers come',
    access: 'persistent',
    pattern: 'trace',
    blockBytes: 0,
    machines: 100,
    extent: 'once',
  },
  {
    ...BASE,
    id: 'flood-and-boot',
    title: '63 machines boot while one writes 4 KiB blocks without end, 32 in flight',
    access: 'machines',
    pattern: 'flood-and-trace',
    blockBytes: 4 * KIB,
    queueDepth: 32,
    machines: 64,
    extent: 'once',
  },
  {
    ...BASE,
    id: 'idle-1000',
    title: '1000 connections that ask nothing',
    pattern: 'idle',
    blockBytes: 0,
    connections: 1000,
    extent: 'once',
  },
  {
    ...BASE,
    id: 'slow-origin',
    title: '10 machines boot from an origin behind a slow network, nothing cached before',
    access: 'machines',
    pattern: 'trace',
    blockBytes: 0,
    machines: 10,
    extent: 'once',
    // Every target whose id ends so; see `takesPart`.
    only: ['slow-origin'],
  },
];

const asRandomReads = (
  id: WorkloadId,
  title: string,
  connections: number,
  only: string,
): Workload => ({
  ...BASE,
  id,
  title,
  pattern: 'random-read',
  queueDepth: 32,
  connections,
  only: [only],
});

const pairs: readonly Workload[] = [
  asRandomReads(
    'chain-1',
    '4 KiB random reads, 32 in flight, of a version that stands alone',
    1,
    'rootcast-chain-1',
  ),
  asRandomReads(
    'chain-30',
    '4 KiB random reads, 32 in flight, of the last of 30 versions',
    1,
    'rootcast-chain-30',
  ),
  asRandomReads(
    'one-worker',
    '4 KiB random reads, 32 in flight on each of 16 connections, one worker',
    16,
    'rootcast-1-worker',
  ),
  asRandomReads(
    'two-workers',
    '4 KiB random reads, 32 in flight on each of 16 connections, two workers',
    16,
    'rootcast-2-workers',
  ),
];

const fromOrigin = (protocol: 'iscsi' | 'nfs', server: string): readonly Workload[] => {
  const only = [`rootcast-${protocol}`, `qemu-${protocol}`];
  return [
    {
      ...BASE,
      id: `${protocol}-read-4k-qd32`,
      title: `4 KiB random reads, 32 in flight, of a disk on ${server}`,
      pattern: 'random-read',
      queueDepth: 32,
      only,
    },
    {
      ...BASE,
      id: `${protocol}-read-128k-qd8`,
      title: `128 KiB sequential reads, 8 in flight, of a disk on ${server}`,
      pattern: 'sequential-read',
      blockBytes: 128 * KIB,
      queueDepth: 8,
      only,
    },
  ];
};

const origins = [...fromOrigin('iscsi', 'tgtd'), ...fromOrigin('nfs', 'nfs-ganesha')];

/** In the order in which a server meets them. */
export const WORKLOADS: readonly Workload[] = [
  ...reads,
  ...writes,
  ...storms,
  ...pairs,
  ...origins,
];

/** What replays the trace needs its image. */
export function replaysTrace({ pattern }: Pick<Workload, 'pattern'>): boolean {
  return pattern === 'trace' || pattern === 'flood-and-trace';
}

interface Participant {
  readonly id: string;
  readonly accesses: readonly Access[];
}

const SLOW_ORIGIN = 'slow-origin';

/** Targets that exist for one workload: they sit out everything else. */
function isSpecial(id: string): boolean {
  return id.endsWith(SLOW_ORIGIN) || WORKLOADS.some(({ only }) => only?.includes(id));
}

/** Whether the target is asked this. */
export function takesPart({ id, accesses }: Participant, workload: Workload): boolean {
  const { only } = workload;
  const named = only?.some((name) => name === id || (name === SLOW_ORIGIN && id.endsWith(name)));
  return accesses.includes(workload.access) && (named ?? !isSpecial(id));
}
