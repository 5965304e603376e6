/** `rootcast bench peers` (`npm run bench`): Rootcast beside its peers, and the bars. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { CliError, EXIT_REFUSED } from '../../src/cli/cli-error.ts';
import type { CliIo } from '../../src/cli/index.ts';
import { judge } from '../bars.ts';
import { type Conditions, type RunOptions, readConditions } from '../conditions.ts';
import { writeImage, writeTraceImage } from '../image.ts';
import { TRACE } from '../job-for.ts';
import { WARM_UP_SECONDS } from '../limits.ts';
import {
  CLIENT_CHOICES,
  type ClientChoice,
  checkIds,
  clientsOf,
  idList,
  narrow,
  positiveNumber,
  usageError,
  wholeFrom,
} from '../options.ts';
import {
  QUICK_NOTE,
  QUICK_TARGETS,
  QUICK_WARM_UP_SECONDS,
  quickTarget,
  quickWorkload,
} from '../quick.ts';
import { RESULT_FORMAT, type Result } from '../result.ts';
import { countCells, type Plan, type Progress, runRounds } from '../rounds.ts';
import { withPrerequisites } from '../setups.ts';
import { findProgram, programVersion, TARGETS, type Target } from '../targets/index.ts';
import { parseTrace } from '../trace.ts';
import { replaysTrace, WORKLOADS, type Workload } from '../workloads.ts';
import { type ProgressView, progressView } from './progress-view.ts';
import { withFolder } from './with-folder.ts';
import { type ReportFiles, writeReports } from './write-reports.ts';

const MIB = 2 ** 20;

interface PeersOptions extends ReportFiles {
  readonly quick?: true;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly warmUp?: number;
  readonly patience?: number;
  readonly imageMib?: number;
  readonly writeMib?: number;
  readonly only?: string[];
  readonly client: ClientChoice;
  readonly strict?: true;
}

export function peersCommand(io: CliIo): Command {
  return new Command('peers')
    .description('Rootcast beside other servers on this machine (= npm run bench)')
    .option('--quick', 'one short round of a part: a check that it works, never a verdict')
    .option('--rounds <n>', 'rounds (5)', wholeFrom(1))
    .option(
      '--seconds <n>',
      'measured seconds of a cell that is measured by time (3)',
      positiveNumber,
    )
    .option(
      '--warm-up <n>',
      `seconds for which every server is warmed up before it is measured (${WARM_UP_SECONDS})`,
      wholeFrom(0),
    )
    .option('--patience <n>', 'seconds that a cell waits for a quiet machine (20)', wholeFrom(0))
    .option('--image-mib <n>', 'size of the shared image in MiB (512)', wholeFrom(1))
    .option('--write-mib <n>', 'area that write workloads touch, in MiB (192)', wholeFrom(1))
    .option('--only <ids>', 'only these targets and/or workloads: a,b,…', idList)
    .addOption(new Option('--client <client>', 'who asks').choices(CLIENT_CHOICES).default('both'))
    .option('--json <file>', 'everything as JSON')
    .option('--markdown <file>', 'the tables as Markdown')
    .option('--html <file>', 'a page with charts')
    .option('--strict', 'leave with 1 when a bar is missed')
    .action(async (options: PeersOptions) => {
      await runPeers(options, io);
    });
}

function runOptions(options: PeersOptions): RunOptions {
  const quick = options.quick === true;
  const imageMib = options.imageMib ?? (quick ? 128 : 512);
  const writeMib = options.writeMib ?? (quick ? 32 : 192);
  if (2 * writeMib >= imageMib) {
    throw usageError(
      `--write-mib ${writeMib} is too much for --image-mib ${imageMib}: there are two areas, and one for the warm-up`,
    );
  }
  return {
    rounds: options.rounds ?? (quick ? 1 : 5),
    seconds: options.seconds ?? (quick ? 1 : 3),
    warmUp: options.warmUp ?? (quick ? QUICK_WARM_UP_SECONDS : WARM_UP_SECONDS),
    patience: options.patience ?? (quick ? 0 : 20),
    imageBytes: imageMib * MIB,
    writeBytes: writeMib * MIB,
    quick,
  };
}

function chooseTargets(options: PeersOptions, io: CliIo): Target[] {
  const only = options.only ?? [];
  const ids = TARGETS.map(({ id }) => id);
  const named = only.filter((id) => ids.includes(id));
  const fallback = options.quick === true ? QUICK_TARGETS : [];
  const wanted = narrow(TARGETS, named.length > 0 ? named : fallback);
  for (const { title, missing } of wanted) {
    if (missing !== undefined) io.stderr(`left out: ${title}, needs ${missing}\n`);
  }
  const present = wanted.filter(({ missing }) => missing === undefined);
  return options.quick === true && named.length === 0 ? present.map(quickTarget) : present;
}

function chooseWorkloads(options: PeersOptions): Workload[] {
  const chosen = withPrerequisites(narrow(WORKLOADS, options.only ?? []), WORKLOADS);
  return options.quick === true ? chosen.map(quickWorkload) : chosen;
}

function versionsOf(targets: readonly Target[]): Record<string, string> {
  return Object.fromEntries(targets.map((target) => [target.id, target.version()]));
}

/** Our client is as old as this program. */
function ownVersion(io: CliIo): string {
  return `rootcast ${io.version}`;
}

function clientVersions(io: CliIo, plan: Pick<Plan, 'clients' | 'fio'>): Conditions['clients'] {
  const { clients, fio } = plan;
  return {
    ...(clients.includes('rootcast') ? { rootcast: ownVersion(io) } : {}),
    ...(fio === undefined ? {} : { fio: programVersion(fio) }),
  };
}

function progressOf(view: ProgressView): Progress {
  return {
    turn: (round, target, { access, machines }) => {
      const many = machines === 1 ? '' : ` × ${machines}`;
      view.turn(`round ${round + 1}, ${target.title} (${access}${many})`);
    },
    question: ({ workload, client }) => view.question(`${workload.id} by ${client}`),
    progress: (progress) => view.progress(progress),
    cell: (cell) => view.cell(cell),
    failed: (what, error) =>
      view.note(`FAILED ${what}: ${error instanceof Error ? error.message : String(error)}`),
  };
}

function findFio(client: ClientChoice, io: CliIo): string | undefined {
  if (client === 'rootcast') return undefined;
  const fio = findProgram('fio');
  if (fio === undefined && client === 'fio') {
    throw usageError('--client fio needs fio (Debian package fio)');
  }
  if (fio === undefined) io.stderr('left out: fio as a client, needs fio\n');
  return fio;
}

function writeImages(folder: string, bytes: number, workloads: readonly Workload[]) {
  const full = join(folder, 'image.raw');
  const trace = join(folder, 'trace-image.raw');
  if (!workloads.every(replaysTrace)) writeImage(full, bytes);
  if (workloads.some(replaysTrace)) {
    writeTraceImage(trace, parseTrace(readFileSync(TRACE, 'utf8')));
  }
  return { full, trace };
}

async function measure(
  io: CliIo,
  options: PeersOptions,
): Promise<{ result: Result; failures: number }> {
  for (const id of options.only ?? []) {
    checkIds(
      '--only',
      [id],
      [...TARGETS, ...WORKLOADS].map((item) => item.id),
    );
  }
  const settings = runOptions(options);
  const fio = findFio(options.client, io);
  const targets = chooseTargets(options, io);
  const workloads = chooseWorkloads(options);
  const clients = clientsOf(options.client);
  const conditions = readConditions(
    new Date(),
    clientVersions(io, { clients, fio }),
    versionsOf(targets),
    settings,
  );
  return withFolder(io, async (folder, signal) => {
    const images = writeImages(folder, settings.imageBytes, workloads);
    const plan: Plan = {
      fio,
      clients,
      targets,
      workloads,
      options: settings,
      images,
      folder,
      signal,
    };
    const cells = countCells(plan);
    if (cells === 0)
      throw usageError(`--only ${options.only}: none of these targets is asked this`);
    const view = progressView(io, cells);
    let failures = 0;
    const progress = progressOf(view);
    const counting: Progress = {
      ...progress,
      failed(what, error) {
        failures += 1;
        progress.failed(what, error);
      },
    };
    try {
      const measured = await runRounds(plan, counting);
      const result: Result = {
        format: RESULT_FORMAT,
        conditions,
        targets: targets.map(({ id, title }) => ({ id, title })),
        workloads: workloads.map(({ id, title }) => ({ id, title })),
        cells: measured,
        verdicts: judge(measured),
      };
      return { result, failures };
    } finally {
      view.stop();
    }
  });
}

async function runPeers(options: PeersOptions, io: CliIo): Promise<void> {
  const { result, failures } = await measure(io, options);
  writeReports(io, result, options);
  if (options.quick === true) io.stdout(QUICK_NOTE);
  if (failures > 0) throw new CliError(EXIT_REFUSED, `${failures} turns failed: see FAILED above`);
  if (options.strict === true && result.verdicts.some(({ holds }) => holds === false)) {
    throw new CliError(EXIT_REFUSED, '--strict: a bar is missed');
  }
}
