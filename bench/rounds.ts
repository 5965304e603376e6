/**
 * Interleaved rounds: A B C, A B C, … with a fresh server and fresh overlays for each, so that whatever
 * else happens to the machine happens to all of them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Cell, measureCell } from './cell.ts';
import { type ClientJob, runFio } from './fio.ts';
import type { Options } from './options.ts';
import type { RunningTarget, Target } from './targets/index.ts';
import type { Workload } from './workloads.ts';

export interface Plan {
  readonly fio: string;
  readonly targets: readonly Target[];
  readonly workloads: readonly Workload[];
  readonly options: Options;
  /** The raw image, and a folder for what the servers write. */
  readonly image: string;
  readonly folder: string;
}

export interface Progress {
  /** A target's turn in a round begins. */
  turn(round: number, target: Target): void;
  cell(cell: Cell): void;
}

/** Discarded: fills the page cache, the server's own cache and, in Node.js, the compiler. */
const WARM_UP: readonly Workload[] = [
  {
    id: 'read-128k-qd8',
    title: 'warm-up: the whole image once',
    access: 'image',
    pattern: 'read',
    blockBytes: 131072,
    queueDepth: 8,
    extent: 'once',
  },
  {
    id: 'read-4k-qd32',
    title: 'warm-up: random reads',
    access: 'image',
    pattern: 'randread',
    blockBytes: 4096,
    queueDepth: 32,
    extent: 'time',
  },
];

const WARM_UP_SECONDS = 1;

async function measureTarget(
  plan: Plan,
  round: number,
  target: Target,
  running: RunningTarget,
  progress: Progress,
): Promise<Cell[]> {
  const { options, fio } = plan;
  const job = (workload: Workload): ClientJob => ({
    uri: running.uri,
    workload,
    seconds: options.seconds,
    areaBytes: options.writeBytes,
    seed: round + 1,
  });
  for (const workload of WARM_UP) {
    const warmUp = { ...job(workload), seconds: WARM_UP_SECONDS, areaBytes: options.imageBytes };
    await runFio(fio, warmUp);
  }
  const cells: Cell[] = [];
  for (const workload of plan.workloads) {
    if (!target.accesses.includes(workload.access)) continue;
    const measured = await measureCell(fio, running.pid, job(workload), options.patience);
    const cell: Cell = { round, target: target.id, ...measured };
    progress.cell(cell);
    cells.push(cell);
  }
  return cells;
}

export async function runRounds(plan: Plan, progress: Progress): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (let round = 0; round < plan.options.rounds; round++) {
    for (const target of plan.targets) {
      progress.turn(round, target);
      const scratch = mkdtempSync(join(plan.folder, `${target.id}-`));
      try {
        const running = await target.start({ image: plan.image, scratch });
        try {
          cells.push(...(await measureTarget(plan, round, target, running, progress)));
        } finally {
          await running.stop();
        }
      } finally {
        rmSync(scratch, { recursive: true, force: true });
      }
    }
  }
  return cells;
}

/** `write-4k-again` alone would be a first touch. */
export function withPrerequisites(
  chosen: readonly Workload[],
  all: readonly Workload[],
): Workload[] {
  const again = chosen.some(({ id }) => id === 'write-4k-again');
  return all.filter(
    (workload) => chosen.includes(workload) || (again && workload.id === 'write-4k-first'),
  );
}
