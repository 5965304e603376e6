/**
 * The bars: what Rootcast may cost at most, mostly as a share of what a peer costs in the same run.
 * Judged on medians over the rounds, once for each client that asked both.
 */
import type { Cell, ClientKind, Verdict } from './result.ts';
import { spread } from './statistics.ts';
import type { WorkloadId } from './workloads.ts';

interface Statistic {
  readonly name: string;
  /** Undefined when the cell does not say. */
  readonly of: (cell: Cell) => number | undefined;
  /** Of two peers, which is the better one. */
  readonly less: 'better' | 'worse';
}

const CPU: Statistic = {
  name: 'CPU per request',
  of: ({ server }) => server?.cpuMicrosPerRequest,
  less: 'better',
};
const P99: Statistic = { name: 'p99', of: ({ latency }) => latency?.p99, less: 'better' };
const PER_SECOND: Statistic = {
  name: 'flushed writes per second',
  of: ({ perSecond }) => perSecond,
  less: 'worse',
};
const LAST: Statistic = {
  name: 'time until the last machine is done',
  of: ({ finished }) => finished?.last,
  less: 'better',
};
const CONNECTION_KIB: Statistic = {
  name: 'memory of an idle connection',
  of: ({ connections }) =>
    connections?.bytesEach === undefined ? undefined : connections.bytesEach / 1024,
  less: 'better',
};
/** What one more thread can add: requests for each second that the busiest one was busy. */
const PER_BUSY_SECOND: Statistic = {
  name: 'requests per second of the busiest thread',
  of: ({ requests, server }) =>
    server === undefined || server.busiestThreadSeconds === 0
      ? undefined
      : requests / server.busiestThreadSeconds,
  less: 'worse',
};

export interface Bar {
  readonly workload: WorkloadId;
  readonly target: string;
  readonly statistic: Statistic;
  /**
   * `best`: of all targets that are not Rootcast's and not a floor, the best. A peer may answer
   * another workload (`peerWorkload`). Undefined: the bar is an absolute figure.
   */
  readonly peer: string | undefined;
  readonly peerWorkload?: WorkloadId;
  readonly atMost?: number;
  readonly atLeast?: number;
  readonly unit?: string;
}

export const BEST = 'best';
const TIMES = '×';

export const BARS: readonly Bar[] = [
  {
    workload: 'read-4k-qd32',
    target: 'rootcast-vdisk',
    statistic: CPU,
    peer: 'nbdkit-file',
    atMost: 0.5,
  },
  {
    workload: 'read-4k-qd32',
    target: 'rootcast-vdisk',
    statistic: CPU,
    peer: 'qemu-nbd-raw',
    atMost: 0.3,
  },
  {
    workload: 'read-4k-qd32',
    target: 'rootcast-vdisk',
    statistic: CPU,
    peer: 'floor',
    atMost: 2.5,
  },
  {
    workload: 'read-4k-qd32-c4',
    target: 'rootcast-vdisk',
    statistic: CPU,
    peer: 'nbdkit-file',
    atMost: 0.45,
  },
  { workload: 'read-4k-qd1', target: 'rootcast-vdisk', statistic: CPU, peer: BEST, atMost: 1 },
  { workload: 'read-4k-qd1', target: 'rootcast-vdisk', statistic: P99, peer: BEST, atMost: 1 },
  {
    workload: 'read-128k-qd8',
    target: 'rootcast-vdisk',
    statistic: CPU,
    peer: 'nbdkit-file',
    atMost: 0.5,
  },
  {
    workload: 'write-4k-first',
    target: 'rootcast-machine',
    statistic: CPU,
    peer: 'nbdkit-cow',
    atMost: 0.7,
  },
  {
    workload: 'write-4k-again',
    target: 'rootcast-machine',
    statistic: CPU,
    peer: 'nbdkit-cow',
    atMost: 0.7,
  },
  {
    workload: 'flush-32',
    target: 'rootcast-machine',
    statistic: PER_SECOND,
    peer: 'qsd-qcow2',
    atLeast: 5,
  },
  {
    workload: 'boot-100',
    target: 'rootcast-machine',
    statistic: LAST,
    peer: 'qsd-qcow2',
    atMost: 0.5,
  },
  {
    workload: 'boot-100',
    target: 'rootcast-machine',
    statistic: P99,
    peer: 'qsd-qcow2',
    atMost: 1,
  },
  {
    workload: 'chain-30',
    target: 'rootcast-chain-30',
    statistic: CPU,
    peer: 'rootcast-chain-1',
    peerWorkload: 'chain-1',
    atMost: 1.1,
  },
  {
    workload: 'idle-1000',
    target: 'rootcast-vdisk',
    statistic: CONNECTION_KIB,
    peer: undefined,
    atMost: 64,
    unit: 'KiB',
  },
  {
    workload: 'two-workers',
    target: 'rootcast-2-workers',
    statistic: PER_BUSY_SECOND,
    peer: 'rootcast-1-worker',
    peerWorkload: 'one-worker',
    atLeast: 1.7,
  },
  ...originBars('iscsi'),
  ...originBars('nfs'),
];

/** A storage server's disk over NBD: no more than through QEMU's initiator or client. */
function originBars(protocol: 'iscsi' | 'nfs'): readonly Bar[] {
  const target = `rootcast-${protocol}`;
  const peer = `qemu-${protocol}`;
  return (['read-4k-qd32', 'read-128k-qd8'] as const).map((read) => ({
    ...{ workload: `${protocol}-${read}` as const, target, statistic: CPU, peer, atMost: 1 },
  }));
}

function medianOf(
  cells: readonly Cell[],
  client: ClientKind,
  workload: WorkloadId,
  target: string,
  statistic: Statistic,
): number | undefined {
  const values = cells
    .filter((cell) => cell.client === client)
    .filter((cell) => cell.workload === workload && cell.target === target)
    .map(statistic.of)
    .filter((value) => value !== undefined);
  return values.length === 0 ? undefined : spread(values).median;
}

interface Peer {
  readonly id: string;
  readonly value: number | undefined;
}

function isPeer(target: string): boolean {
  return !target.startsWith('rootcast') && !target.startsWith('floor');
}

function bestPeer(
  cells: readonly Cell[],
  client: ClientKind,
  workload: WorkloadId,
  statistic: Statistic,
): Peer {
  let best: Peer = { id: BEST, value: undefined };
  for (const id of new Set(cells.map(({ target }) => target).filter(isPeer))) {
    const value = medianOf(cells, client, workload, id, statistic);
    if (value === undefined) continue;
    const better =
      best.value === undefined ||
      (statistic.less === 'better' ? value < best.value : value > best.value);
    if (better) best = { id, value };
  }
  return best;
}

function judgeBar(cells: readonly Cell[], bar: Bar, client: ClientKind): Verdict {
  const { workload, target, statistic, atMost, atLeast } = bar;
  const own = medianOf(cells, client, workload, target, statistic);
  const peerWorkload = bar.peerWorkload ?? workload;
  let peer: Peer | undefined;
  if (bar.peer === BEST) peer = bestPeer(cells, client, peerWorkload, statistic);
  else if (bar.peer !== undefined) {
    peer = {
      id: bar.peer,
      value: medianOf(cells, client, peerWorkload, bar.peer, statistic),
    };
  }
  const divisor = peer === undefined ? 1 : peer.value;
  const value =
    own === undefined || divisor === undefined || divisor === 0 ? undefined : own / divisor;
  return {
    workload,
    client,
    statistic: statistic.name,
    target,
    peer: peer?.id,
    atMost,
    atLeast,
    unit: bar.unit ?? TIMES,
    value,
    holds:
      value === undefined
        ? undefined
        : value <= (atMost ?? Number.POSITIVE_INFINITY) && value >= (atLeast ?? 0),
  };
}

/** A verdict for each client that asked the target; one without a value where none did. */
export function judge(cells: readonly Cell[], bars: readonly Bar[] = BARS): Verdict[] {
  return bars.flatMap((bar) => {
    const { workload, target } = bar;
    const asked = cells.filter((cell) => cell.workload === workload && cell.target === target);
    const clients = new Set(asked.map(({ client }) => client));
    if (clients.size === 0) clients.add('rootcast');
    return [...clients].map((client) => judgeBar(cells, bar, client));
  });
}
