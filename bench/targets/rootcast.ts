/**
 * Rootcast as its users run it: `bin/rootcast serve` on an empty data folder, the image imported through
 * the CLI, machines added through the REST API (a process for each of a thousand would take minutes).
 * `vdisk/bench` is the shared image itself, `machine/bench-N` the same through a machine's overlay.
 */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Access } from '../workloads.ts';
import { HOST, startServer } from './server-process.ts';
import type { RunningTarget, Stage, Target } from './target.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const PROGRAM = join(PROJECT, 'bin/rootcast');
const VDISK = 'bench';
/** Requests to the API at once. */
const ADDING = 8;

const run = promisify(execFile);

const nameOf = (machine: number): string => `bench-${machine}`;

function macOf(machine: number): string {
  const digits = machine.toString(16).padStart(8, '0');
  return `02:00:${digits.match(/../g)?.join(':')}`;
}

/** @param api where the service's REST API listens */
async function addMachines(api: string, data: string, { access, machines }: Stage): Promise<void> {
  const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
  const cacheMode = access === 'persistent' ? 'server-persistent' : 'server';
  let next = 0;
  const addInTurn = async (): Promise<void> => {
    while (next < machines) {
      const machine = next++;
      const body = { name: nameOf(machine), mac: macOf(machine), vdisk: VDISK, cacheMode };
      const response = await fetch(`${api}/v1/machines`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const answer = await response.text();
      if (!response.ok) throw new Error(`adding machine ${machine}: ${response.status} ${answer}`);
    }
  };
  await Promise.all(Array.from({ length: ADDING }, addInTurn));
}

interface Variant {
  readonly exportOf: (machine: number) => string;
  /** Flags of `rootcast serve`. */
  readonly settings: readonly string[];
  readonly withMachines: boolean;
}

async function start(stage: Stage, variant: Variant): Promise<RunningTarget> {
  const data = join(stage.scratch, 'data');
  const listen = ['--http', `${HOST}:0`, '--nbd', `${HOST}:0`, '--xenapi', 'off'];
  const args = ['serve', '--data', data, ...listen, ...variant.settings];
  const server = await startServer(PROGRAM, args, (output) => /^ready$/m.test(output));
  try {
    const said = (pattern: RegExp): string => {
      const address = pattern.exec(server.output())?.[1];
      if (address === undefined) throw new Error('it did not say where it listens');
      return address;
    };
    const nbd = said(/^nbd (nbd:\/\/\S+)$/m);
    await run(PROGRAM, ['vdisk', 'import', stage.image, '--name', VDISK, '--data', data]);
    if (variant.withMachines) await addMachines(said(/^api (\S+)$/m), data, stage);
    return {
      pid: server.pid,
      uri: (machine) => `${nbd}/${variant.exportOf(machine)}`,
      stop: () => server.stop(),
    };
  } catch (error) {
    await server.stop();
    throw new Error(`${String(error)}\n${server.output()}`, { cause: error });
  }
}

/** The commit, with `-dirty` behind it when the tree differs; undefined outside a clone. */
function commit(): string | undefined {
  try {
    const args = ['describe', '--always', '--dirty', '--exclude=*'];
    return execFileSync('git', args, { cwd: PROJECT, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}

export function rootcastVersion(): string {
  const text = readFileSync(join(PROJECT, 'package.json'), 'utf8');
  const release = `rootcast ${(JSON.parse(text) as { version: string }).version}`;
  return `${[release, commit()].filter((part) => part !== undefined).join(' ')}, Node.js ${process.version}`;
}

const target = (
  id: string,
  title: string,
  accesses: readonly Access[],
  variant: Variant,
): Target => ({
  id,
  title,
  accesses,
  missing: undefined,
  version: rootcastVersion,
  start: (stage) => start(stage, variant),
});

/**
 * Each worker has a read cache of its own, of an equal share of the budget (docs/adr/0002): for both to
 * read the image of 512 MiB from memory the budget must be twice as large.
 */
const CACHE_FOR_TWO = ['--cache-read', '1G'];

const image = (...settings: readonly string[]): Variant => ({
  exportOf: () => `vdisk/${VDISK}`,
  settings,
  withMachines: false,
});

export const rootcastVdisk = target('rootcast-vdisk', 'Rootcast vdisk/V', ['image'], image());

export const rootcastMachine = target(
  'rootcast-machine',
  'Rootcast machine/NAME',
  ['image', 'overlay', 'machines', 'persistent'],
  {
    exportOf: (machine) => `machine/${nameOf(machine)}`,
    settings: [],
    withMachines: true,
  },
);

export const rootcastOneWorker = target(
  'rootcast-1-worker',
  'Rootcast vdisk/V, 1 worker',
  ['image'],
  image('--workers', '1', ...CACHE_FOR_TWO),
);

export const rootcastTwoWorkers = target(
  'rootcast-2-workers',
  'Rootcast vdisk/V, 2 workers',
  ['image'],
  image('--workers', '2', ...CACHE_FOR_TWO),
);
