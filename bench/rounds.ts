/**
 * Interleaved rounds: for each setup A B C, and again, with a fresh server and fresh overlays for each,
 * so that whatever else happens to the machine happens to all of them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Asked, measureCell } from './cell.ts';
import { fioClient, rootcastClient } from './clients.ts';
import type { RunOptions } from './conditions.ts';
import { jobFor } from './job-for.ts';
import { type LoadProgress, WrongDataError } from './load/job.ts';
import type { Cell, ClientKind } from './result.ts';
import { type Question, type Setup, setupsOf } from './setups.ts';
import type { RunningTarget, Target } from './targets/index.ts';
import { touchMemory } from './touch-memory.ts';
import { spareMachines, warmUpJobs } from './warm-up.ts';
import { takesPart, type Workload } from './workloads.ts';

export interface Plan {
  /** Its program; undefined when only our own client asks. */
  readonly fio: string | undefined;
  readonly clients: readonly ClientKind[];
  readonly targets: readonly Target[];
  readonly workloads: readonly Workload[];
  readonly options: RunOptions;
  /** Paths of the raw images, and a folder for what the servers write. */
  readonly images: Readonly<Record<Setup['image'], string>>;
  readonly folder: string;
  /** Ends everything that was started. */
  readonly signal: AbortSignal;
}

export interface Progress {
  /** A target's turn in a setup of a round begins. */
  turn(round: number, target: Target, setup: Setup): void;
  question(question: Question): void;
  progress(progress: LoadProgress): void;
  cell(cell: Cell): void;
  /** Something else than wrong data: what else there is to measure goes on. */
  failed(what: string, error: unknown): void;
}

async function askAll(
  plan: Plan,
  round: number,
  target: Target,
  setup: Setup,
  running: RunningTarget,
  progress: Progress,
): Promise<Cell[]> {
  const { options } = plan;
  const cells: Cell[] = [];
  const own = rootcastClient({}, plan.signal);
  const fio = plan.fio === undefined ? undefined : fioClient(plan.fio, plan.signal);
  try {
    for (const job of warmUpJobs(setup, options, (machine) => running.uri(machine))) {
      plan.signal.throwIfAborted();
      await own.ask(job, {});
    }
    for (const question of setup.questions) {
      plan.signal.throwIfAborted();
      progress.question(question);
      const { workload } = question;
      const client = question.client === 'fio' ? fio : own;
      if (client === undefined) continue;
      const job = jobFor(workload, options, round, (machine) => running.uri(machine));
      if (options.warmUp > 0) await touchMemory(workload, plan.signal);
      const asked: Asked = running;
      const measured = await measureCell(asked, client, job, {
        patience: options.patience,
        signal: plan.signal,
        onProgress: (report) => progress.progress(report),
      });
      const cell: Cell = {
        round,
        target: target.id,
        workload: workload.id,
        client: client.kind,
        ...measured,
      };
      progress.cell(cell);
      cells.push(cell);
    }
  } finally {
    await own.close();
  }
  return cells;
}

async function takeTurn(
  plan: Plan,
  round: number,
  target: Target,
  setup: Setup,
  progress: Progress,
): Promise<Cell[]> {
  progress.turn(round, target, setup);
  const scratch = mkdtempSync(join(plan.folder, `${target.id}-`));
  try {
    const { access } = setup;
    const machines = setup.machines + spareMachines(setup, plan.options);
    const image = plan.images[setup.image];
    const running = await target.start({ image, scratch, access, machines });
    try {
      return await askAll(plan, round, target, setup, running, progress);
    } finally {
      await running.stop();
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** How many cells a run will have when nothing fails. */
export function countCells(plan: Plan): number {
  const setups = setupsFor(plan);
  const each = plan.targets.flatMap((target) =>
    setups.flatMap((setup) => setupFor(target, setup)?.questions ?? []),
  );
  return each.length * plan.options.rounds;
}

function setupsFor(plan: Plan): Setup[] {
  return setupsOf(plan.workloads, plan.clients, ({ fio }) => fio && plan.fio !== undefined);
}

/** What of the setup the target takes part in. */
function setupFor(target: Target, setup: Setup): Setup | undefined {
  const questions = setup.questions.filter(({ workload }) => takesPart(target, workload));
  return questions.length === 0 ? undefined : { ...setup, questions };
}

/** @throws WrongDataError, and what `signal` says; other failures cost the turn in which they happen */
export async function runRounds(plan: Plan, progress: Progress): Promise<Cell[]> {
  const cells: Cell[] = [];
  const setups = setupsFor(plan);
  for (let round = 0; round < plan.options.rounds; round += 1) {
    for (const setup of setups) {
      for (const target of plan.targets) {
        const own = setupFor(target, setup);
        if (own === undefined) continue;
        plan.signal.throwIfAborted();
        try {
          cells.push(...(await takeTurn(plan, round, target, own, progress)));
        } catch (error) {
          if (error instanceof WrongDataError || plan.signal.aborted) throw error;
          progress.failed(`round ${round + 1}, ${target.id}`, error);
        }
      }
    }
  }
  return cells;
}
