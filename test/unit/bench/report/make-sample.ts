/** A whole run, made up: every workload, every optional field somewhere present and somewhere absent. */
import type { Cell, ClientKind, Interval, Result, Verdict } from '../../../../bench/result.ts';
import type { WorkloadId } from '../../../../bench/workloads.ts';
import { makeCell, makeLatency } from './make-cell.ts';
import { makeConditions, makeResult } from './make-result.ts';

/** Numbers 0 … 1 that are the same in every run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

interface SampleTarget {
  readonly id: string;
  readonly title: string;
  /** What it costs, as a multiple of the first. */
  readonly cost: number;
  readonly access: readonly ('image' | 'overlay' | 'machines' | 'persistent')[];
}

const TARGETS: readonly SampleTarget[] = [
  { id: 'rootcast-vdisk', title: 'Rootcast vdisk/V', cost: 1, access: ['image'] },
  { id: 'nbdkit-file', title: 'nbdkit file', cost: 1.6, access: ['image'] },
  {
    id: 'rootcast-machine',
    title: 'Rootcast machine/NAME',
    cost: 1.1,
    access: ['image', 'overlay', 'machines', 'persistent'],
  },
  { id: 'nbdkit-cow', title: 'nbdkit file + cow 4K', cost: 1.5, access: ['image', 'overlay'] },
  {
    id: 'qemu-nbd-qcow2',
    title: 'qemu-nbd qcow2 overlay (extended_l2, cluster 128k)',
    cost: 2.4,
    access: ['image', 'overlay', 'machines', 'persistent'],
  },
  { id: 'nbd-server', title: 'nbd-server', cost: 2, access: ['image'] },
  { id: 'stgt', title: 'tgt (iSCSI)', cost: 5, access: ['image', 'machines'] },
  { id: 'elsewhere', title: 'a server elsewhere', cost: 3, access: ['image'] },
  { id: 'floor', title: 'C floor (moves the bytes, knows nothing)', cost: 0.6, access: ['image'] },
];

interface SampleWorkload {
  readonly id: WorkloadId;
  readonly title: string;
  readonly access: SampleTarget['access'][number];
  readonly blockBytes: number;
  /** CPU µs per request and p50 µs of the first target. */
  readonly cpu: number;
  readonly p50: number;
  readonly fio?: true;
}

const WORKLOADS: readonly SampleWorkload[] = [
  {
    id: 'read-4k-qd1',
    title: '4K random read, QD1',
    access: 'image',
    blockBytes: 4096,
    cpu: 39,
    p50: 65,
    fio: true,
  },
  {
    id: 'read-4k-qd32',
    title: '4K random read, QD32',
    access: 'image',
    blockBytes: 4096,
    cpu: 10.5,
    p50: 322,
    fio: true,
  },
  {
    id: 'read-4k-qd32-c4',
    title: '4K random read, QD32, 4 connections',
    access: 'image',
    blockBytes: 4096,
    cpu: 8.2,
    p50: 900,
  },
  {
    id: 'read-128k-qd8',
    title: '128K sequential read, QD8',
    access: 'image',
    blockBytes: 131_072,
    cpu: 33,
    p50: 239,
    fio: true,
  },
  {
    id: 'write-128k-qd8',
    title: '128K sequential write, QD8',
    access: 'overlay',
    blockBytes: 131_072,
    cpu: 88,
    p50: 700,
  },
  {
    id: 'write-4k-first',
    title: '4K overlay write, first touch, QD32',
    access: 'overlay',
    blockBytes: 4096,
    cpu: 18.5,
    p50: 444,
    fio: true,
  },
  {
    id: 'write-4k-again',
    title: '4K overlay write, again, QD32',
    access: 'overlay',
    blockBytes: 4096,
    cpu: 11.4,
    p50: 350,
  },
  {
    id: 'flush-1',
    title: '4K write and flush, 1 machine',
    access: 'persistent',
    blockBytes: 4096,
    cpu: 120,
    p50: 2100,
    fio: true,
  },
  {
    id: 'flush-32',
    title: '4K write and flush, 32 machines',
    access: 'persistent',
    blockBytes: 4096,
    cpu: 31,
    p50: 1500,
  },
  {
    id: 'mix-80-20',
    title: '80 % reads, 20 % writes, 4K to 64K',
    access: 'overlay',
    blockBytes: 20_000,
    cpu: 24,
    p50: 510,
  },
  {
    id: 'boot-1-paced',
    title: 'Boot of one machine, with its think times',
    access: 'machines',
    blockBytes: 30_000,
    cpu: 60,
    p50: 190,
  },
  {
    id: 'boot-100',
    title: 'Boot of 100 machines at once',
    access: 'machines',
    blockBytes: 30_000,
    cpu: 40,
    p50: 21_000,
  },
  {
    id: 'flood-and-boot',
    title: 'One machine floods, 20 boot',
    access: 'machines',
    blockBytes: 12_000,
    cpu: 28,
    p50: 1300,
  },
  {
    id: 'idle-1000',
    title: '1,000 idle connections',
    access: 'image',
    blockBytes: 0,
    cpu: 0,
    p50: 0,
  },
  {
    id: 'slow-origin',
    title: 'Boot of 20 machines, origin 20 ms away',
    access: 'machines',
    blockBytes: 30_000,
    cpu: 50,
    p50: 4000,
  },
  {
    id: 'chain-30',
    title: '4K random read through 30 versions',
    access: 'image',
    blockBytes: 4096,
    cpu: 12,
    p50: 350,
  },
  {
    id: 'two-workers',
    title: '4K random read, 2 workers',
    access: 'image',
    blockBytes: 4096,
    cpu: 11,
    p50: 300,
  },
];

interface Draw {
  readonly workload: SampleWorkload;
  readonly target: SampleTarget;
  readonly client: ClientKind;
  readonly round: number;
  readonly random: () => number;
}

const INTERVAL_SECONDS = 0.1;

function drawIntervals({ workload, random }: Draw, perSecond: number, p50: number): Interval[] {
  return Array.from({ length: 30 }, (_, index) => {
    const stalls = workload.id === 'flush-32' && index === 12;
    const requests = stalls ? 0 : Math.round(perSecond * INTERVAL_SECONDS * (0.8 + random() * 0.4));
    const now = requests === 0 ? 0 : p50 * (0.85 + random() * 0.3);
    return {
      at: index * INTERVAL_SECONDS,
      seconds: INTERVAL_SECONDS,
      requests,
      bytes: requests * workload.blockBytes,
      p50: now,
      p99: now * (2.5 + random() * 3),
    };
  });
}

const GROUPS: Partial<Record<WorkloadId, readonly string[]>> = {
  'flush-1': ['write', 'flush'],
  'flush-32': ['write', 'flush'],
  'mix-80-20': ['read', 'write'],
  'boot-100': ['read', 'write', 'flush'],
  'flood-and-boot': ['booting', 'flooding'],
};

function drawIdle({ target, workload, round, random }: Draw): Cell {
  const isOurs = target.id !== 'elsewhere';
  return makeCell({
    round,
    target: target.id,
    workload: workload.id,
    requests: 0,
    bytes: 0,
    seconds: 5,
    perSecond: 0,
    bytesPerSecond: 0,
    latency: undefined,
    server: isOurs
      ? {
          cpuMicrosPerRequest: 0,
          cpuSeconds: 0.02 * target.cost,
          residentBytes: 9e7,
          busiestThreadSeconds: 0.02,
        }
      : undefined,
    connections: {
      count: 1000,
      bytesEach: isOurs ? 9000 * target.cost * (1 + random() * 0.1) : undefined,
      connect: makeLatency(300 * target.cost),
    },
  });
}

function drawCell(draw: Draw): Cell {
  const { workload, target, client, round, random } = draw;
  if (workload.id === 'idle-1000') return drawIdle(draw);
  const luck = 0.9 + random() * 0.25;
  const cpu = workload.cpu * target.cost * luck;
  const p50 = workload.p50 * (0.5 + target.cost / 2) * luck;
  const perSecond = (32 * 1e6) / p50;
  const requests = Math.round(perSecond * 3);
  const ours = client === 'rootcast';
  const boots = /boot|origin/.test(workload.id);
  return makeCell({
    round,
    target: target.id,
    workload: workload.id,
    client,
    requests,
    bytes: requests * workload.blockBytes,
    seconds: 3,
    perSecond,
    bytesPerSecond: perSecond * workload.blockBytes,
    latency: makeLatency(p50),
    intervals: ours ? drawIntervals(draw, perSecond, p50) : [],
    groups: !ours
      ? []
      : (GROUPS[workload.id] ?? []).map((name, index, { length }) => ({
          name,
          requests: Math.round(requests / length),
          bytes: name === 'flush' ? 0 : Math.round(requests / length) * workload.blockBytes,
          latency: makeLatency(p50 * (1 + index * 2)),
        })),
    server:
      target.id === 'elsewhere'
        ? undefined
        : {
            cpuMicrosPerRequest: cpu,
            cpuSeconds: (cpu * requests) / 1e6,
            residentBytes: Math.round(
              700 * 2 ** 20 * (target.id.startsWith('rootcast') ? 1 : 0.01),
            ),
            busiestThreadSeconds: (cpu * requests) / 2e6,
          },
    verified: ours ? { bytes: requests * workload.blockBytes } : undefined,
    finished:
      boots && workload.id !== 'boot-1-paced'
        ? {
            machines: 100,
            first: 4 * luck,
            median: 6 * target.cost * luck,
            last: 7.5 * target.cost * luck,
          }
        : undefined,
    originRequests:
      workload.id === 'slow-origin' ? Math.round(900 * target.cost * luck) : undefined,
    idleBefore: 0.93 + random() * 0.07,
    foreignShare: random() * 0.05,
    noisy: random() > 0.97,
  });
}

const VERDICTS: readonly Verdict[] = [
  ['read-4k-qd32', 'CPU per request', 'rootcast-vdisk', 'nbdkit-file', 1, '×', 0.67, true],
  ['read-128k-qd8', 'CPU per request', 'rootcast-machine', 'nbdkit-file', 1, '×', 1.12, false],
  ['idle-1000', 'memory of a connection', 'rootcast-vdisk', undefined, 32, 'KiB', 9.2, true],
  [
    'boot-100',
    'last machine done',
    'rootcast-machine',
    'qemu-nbd-qcow2',
    0.8,
    '×',
    undefined,
    undefined,
  ],
].map(([workload, statistic, target, peer, atMost, unit, value, holds]) => ({
  workload,
  statistic,
  target,
  peer,
  atMost,
  unit,
  value,
  holds,
  client: 'rootcast',
  atLeast: undefined,
})) as Verdict[];

export function makeSample(rounds = 5, seed = 1): Result {
  const random = chance(seed);
  const cells = Array.from({ length: rounds }, (_, round) =>
    WORKLOADS.flatMap((workload) =>
      TARGETS.filter(({ access }) => access.includes(workload.access)).flatMap((target) =>
        (workload.fio === true ? (['rootcast', 'fio'] as const) : (['rootcast'] as const)).map(
          (client) => drawCell({ workload, target, client, round, random }),
        ),
      ),
    ),
  ).flat();
  return makeResult(cells, {
    conditions: makeConditions({
      versions: Object.fromEntries(
        TARGETS.map(({ id, title }) => [id, `${title} 1.2.3 (Debian 12)`]),
      ),
    }),
    targets: TARGETS.map(({ id, title }) => ({ id, title })),
    workloads: WORKLOADS.map(({ id, title }) => ({ id, title })),
    verdicts: VERDICTS,
  });
}
