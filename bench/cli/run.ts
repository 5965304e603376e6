/** `rootcast bench run TARGET…`: workloads against servers that stand already, or a repository. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { CliError, EXIT_REFUSED } from '../../src/cli/cli-error.ts';
import type { CliIo } from '../../src/cli/index.ts';
import { measureCell } from '../cell.ts';
import { type Client, rootcastClient } from '../clients.ts';
import { readConditions } from '../conditions.ts';
import { TRACE } from '../job-for.ts';
import type { LoadJob, TlsFiles } from '../load/job.ts';
import { REPOSITORY_PREFIX } from '../load/open-disk.ts';
import { byteSize, checkIds, idList, positiveNumber, usageError, wholeFrom } from '../options.ts';
import { type Cell, RESULT_FORMAT, type Result } from '../result.ts';
import { type NamedOptions, type NamedTarget, resolveNamed } from '../targets/named.ts';
import { parseTrace, traceDiskBytes } from '../trace.ts';
import { replaysTrace, WORKLOADS, type Workload } from '../workloads.ts';
import { type ProgressView, progressView } from './progress-view.ts';
import { withFolder } from './with-folder.ts';
import { type ReportFiles, writeReports } from './write-reports.ts';

const MIB = 2 ** 20;
const DEFAULT_WORKLOADS = ['read-4k-qd1', 'read-4k-qd32', 'read-128k-qd8'];
const AD_HOC_WORKLOAD = ['read-4k-qd32'];
/** What a number of the machine stands for in a TARGET. */
const MACHINE = '%';

export interface RunFlags extends ReportFiles {
  readonly workload?: string[];
  readonly seconds: number;
  readonly rounds: number;
  readonly connections?: number;
  readonly queueDepth?: number;
  readonly blockSize?: number;
  readonly machines?: number;
  readonly trace?: string;
  readonly areaMib: number;
  readonly write?: true;
  readonly data?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsPsk?: string;
}

const TARGET_HELP = `
TARGET is an NBD URI (nbd://HOST:PORT/EXPORT, nbds://…, nbd+unix:///EXPORT?socket=PATH), machine/NAME,
vdisk/NAME or volume/REPOSITORY/NAME of a Rootcast on this machine, an iSCSI URL (iscsi://HOST:PORT/IQN/LUN, CHAP in
LIBISCSI_CHAP_USERNAME and LIBISCSI_CHAP_PASSWORD), or repository:local:FOLDER (a volume is made there, and deleted
afterwards). A % in it is the number of the machine, 0 …, for workloads of several machines.`;

export function runCommand(io: CliIo): Command {
  return new Command('run')
    .description('measure servers that are there already, or a repository')
    .argument('<target...>', 'what to measure; several take turns')
    .option('--workload <ids>', `which workloads: a,b,… (${DEFAULT_WORKLOADS.join(',')})`, idList)
    .option('--seconds <n>', 'measured seconds of each', positiveNumber, 3)
    .option('--rounds <n>', 'how often, the targets taking turns', wholeFrom(1), 1)
    .option('--connections <n>', 'connections of each machine', wholeFrom(1))
    .option('--queue-depth <n>', 'requests in flight on each connection', wholeFrom(1))
    .option('--block-size <bytes>', 'of a request: 4096, 4k, 1m', byteSize)
    .option('--machines <n>', `machines, when a TARGET has a ${MACHINE}`, wholeFrom(1))
    .option('--trace <file>', 'replay this instead of the recorded boot of Debian')
    .option(
      '--area-mib <n>',
      'area that is written once, and size of a volume, in MiB',
      wholeFrom(1),
      256,
    )
    .option('--write', 'allow workloads that overwrite what is on the target')
    .option('--data <dir>', 'data folder of the Rootcast that machine/ and vdisk/ are of (./data)')
    .option('--tls-ca <file>', 'authorities that the server must be certified by (PEM)')
    .option('--tls-cert <file>', 'certificate of this client (PEM)')
    .option('--tls-key <file>', 'its key (PEM)')
    .option('--tls-psk <file>', 'pre-shared key: a line identity:hexkey')
    .option('--json <file>', 'everything as JSON')
    .option('--html <file>', 'a page with charts')
    .addHelpText('after', TARGET_HELP)
    .action(async (targets: string[], flags: RunFlags) => {
      await runTargets(targets, flags, io);
    });
}

export function describeShape(workload: Workload): string {
  const { pattern, blockBytes, queueDepth, connections, machines } = workload;
  const size = blockBytes === 0 ? '' : `, ${blockBytes / 1024} KiB`;
  const many = machines === 1 ? '' : `, ${machines} machines`;
  return `${pattern}${size}, ${queueDepth} in flight, ${connections} connections${many}`;
}

/** The workloads as the flags change them. @throws CliError */
export function shapedWorkloads(flags: RunFlags, targets: readonly string[]): Workload[] {
  const { connections, queueDepth, blockSize } = flags;
  const adHoc = [connections, queueDepth, blockSize].some((value) => value !== undefined);
  const ids = flags.workload ?? (adHoc ? AD_HOC_WORKLOAD : DEFAULT_WORKLOADS);
  checkIds(
    '--workload',
    ids,
    WORKLOADS.map(({ id }) => id),
  );
  const numbered = targets.every((target) => target.includes(MACHINE));
  if (flags.machines !== undefined && flags.machines > 1 && !numbered) {
    throw usageError(
      `--machines ${flags.machines} needs a ${MACHINE} in TARGET: the place of the machine's number`,
    );
  }
  return WORKLOADS.filter(({ id }) => ids.includes(id)).map((workload) => {
    const many = workload.machines > 1 || flags.machines !== undefined;
    const machines = numbered ? (flags.machines ?? workload.machines) : 1;
    const shaped: Workload = {
      ...workload,
      connections: connections ?? workload.connections,
      queueDepth: queueDepth ?? workload.queueDepth,
      blockBytes: blockSize ?? workload.blockBytes,
      machines,
    };
    if (workload.pattern === 'flood-and-trace' && machines < 2) {
      throw usageError(`--workload ${workload.id} needs a ${MACHINE} in TARGET, and 2 machines`);
    }
    return adHoc || (many && machines !== workload.machines)
      ? { ...shaped, title: describeShape(shaped) }
      : shaped;
  });
}

function writes({ pattern }: Workload): boolean {
  return !['random-read', 'sequential-read', 'idle'].includes(pattern);
}

/** @throws CliError that says what would be destroyed */
export function checkWrites(
  workloads: readonly Workload[],
  targets: readonly string[],
  flags: Pick<RunFlags, 'write'>,
): void {
  const writing = workloads.filter(writes);
  const inDanger = targets.filter((target) => !target.startsWith(REPOSITORY_PREFIX));
  if (writing.length === 0 || inDanger.length === 0 || flags.write === true) return;
  const ids = writing.map(({ id }) => id).join(', ');
  throw usageError(
    `${ids} would overwrite what is on ${inDanger.join(', ')}, and it cannot be had back: give --write if it may be destroyed`,
  );
}

function tlsOf(flags: RunFlags, io: CliIo): TlsFiles {
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) {
    throw usageError('--tls-cert and --tls-key go together: give both or neither');
  }
  const path = (file: string | undefined) =>
    file === undefined ? undefined : resolve(io.cwd, file);
  const files = {
    ca: path(flags.tlsCa),
    cert: path(flags.tlsCert),
    key: path(flags.tlsKey),
    psk: path(flags.tlsPsk),
  };
  return Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined));
}

async function resolveTargets(
  targets: readonly string[],
  options: NamedOptions,
): Promise<{ id: string; named: NamedTarget }[]> {
  const all: { id: string; named: NamedTarget }[] = [];
  for (const id of targets) {
    try {
      all.push({ id, named: await resolveNamed(id, options) });
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw usageError(error instanceof Error ? error.message : String(error));
    }
  }
  return all;
}

function jobFor(workload: Workload, named: NamedTarget, flags: RunFlags, round: number): LoadJob {
  const trace = replaysTrace(workload)
    ? flags.trace === undefined
      ? TRACE
      : resolve(flags.trace)
    : undefined;
  return {
    workload,
    uris: Array.from({ length: workload.machines }, (_, machine) =>
      named.uri(machine).replaceAll(MACHINE_IN_URI, String(machine)),
    ),
    seconds: flags.seconds,
    areaOffset: 0,
    areaBytes: workload.extent === 'once' && trace === undefined ? flags.areaMib * MIB : 0,
    discard: false,
    seed: round + 1,
    imageKnown: false,
    readBack: true,
    trace,
    traceRepeats: false,
    volumeBytes: Math.max(flags.areaMib * MIB, trace === undefined ? 0 : diskBytesOf(trace)),
  };
}

/** @throws CliError that names the file and its first wrong line */
function diskBytesOf(trace: string): number {
  try {
    return traceDiskBytes(parseTrace(readFileSync(trace, 'utf8')));
  } catch (error) {
    throw usageError(`--trace ${trace}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Not the escape of a character. */
const MACHINE_IN_URI = /%(?![0-9a-fA-F]{2})/g;

async function runTargets(targets: readonly string[], flags: RunFlags, io: CliIo): Promise<void> {
  const workloads = shapedWorkloads(flags, targets);
  checkWrites(workloads, targets, flags);
  const tls = tlsOf(flags, io);
  const resolved = await resolveTargets(targets, {
    data: flags.data,
    tls: Object.keys(tls).length > 0,
  });
  const options = {
    rounds: flags.rounds,
    seconds: flags.seconds,
    patience: 0,
    imageBytes: 0,
    warmUp: 0,
    writeBytes: flags.areaMib * MIB,
    quick: false,
  };
  const versions = Object.fromEntries(targets.map((id) => [id, 'as it stands']));
  const conditions = readConditions(
    new Date(),
    { rootcast: `rootcast ${io.version}` },
    versions,
    options,
  );
  const cells = await withFolder(io, async (_folder, signal) => {
    const view = progressView(io, resolved.length * workloads.length * flags.rounds);
    const client = rootcastClient(tls, signal);
    try {
      return await askAll(resolved, workloads, flags, client, signal, view);
    } finally {
      view.stop();
      await client.close();
    }
  });
  const result: Result = {
    format: RESULT_FORMAT,
    conditions,
    targets: targets.map((id) => ({ id, title: id })),
    workloads: workloads.map(({ id, title }) => ({ id, title })),
    cells,
    verdicts: [],
  };
  writeReports(io, result, flags);
}

async function askAll(
  targets: readonly { id: string; named: NamedTarget }[],
  workloads: readonly Workload[],
  flags: RunFlags,
  client: Client,
  signal: AbortSignal,
  view: ProgressView,
): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (let round = 0; round < flags.rounds; round += 1) {
    for (const workload of workloads) {
      for (const { id, named } of targets) {
        view.turn(`${id}: ${workload.title}`);
        view.question(workload.id);
        const job = jobFor(workload, named, flags, round);
        const care = { patience: 0, signal, onProgress: view.progress };
        try {
          const measured = await measureCell(named, client, job, care);
          const cell: Cell = {
            round,
            target: id,
            workload: workload.id,
            client: 'rootcast',
            ...measured,
          };
          view.cell(cell);
          cells.push(cell);
        } catch (error) {
          if (signal.aborted) throw error;
          const reason = error instanceof Error ? error.message : String(error);
          throw new CliError(EXIT_REFUSED, `${workload.id} on ${id}: ${reason}`, { cause: error });
        }
      }
    }
  }
  return cells;
}
