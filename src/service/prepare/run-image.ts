/** `rootcast image …`: works on this host, without a service. */
import { mkdir, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Fault } from '../../errors/index.ts';
import { prepareImage } from './prepare-image.ts';
import { stageFiles } from './stage-files.ts';

const HELP = `Usage: rootcast image prepare [--install] [--json] [--quiet] IMAGE
       rootcast image files FOLDER

prepare puts what a machine needs to boot over Rootcast into an image: a folder with a Debian system, or a raw or
qcow2 file with one. Empties its machine-id, removes its host name and SSH host keys, makes its initramfs anew, and
says what it changed. Works on a copy: when something fails, the image is as it was. Needs root, and bubblewrap.

  --install   install packages that are missing (by the image's own apt); otherwise they are only named
  --json      print what was done as JSON
  --quiet     say nothing meanwhile

files makes a folder with prepare.sh and what it brings: to be run, as root, in a system that cannot be prepared
from outside (a machine that boots a version in maintenance, say).
`;

/** @returns the exit code: 0 done, 2 wrong usage. @throws Fault what prepareImage throws */
export async function runImage(argv: readonly string[]): Promise<number> {
  const given = parse(argv);
  if (given === undefined) {
    process.stderr.write(HELP);
    return 2;
  }
  if (given.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (given.action === 'files') return writeFiles(resolve(given.path));
  const { path, install, json, quiet } = given;
  const onStep = (step: string): void => {
    if (!quiet) process.stderr.write(`${step}\n`);
  };
  const prepared = await untilTold((signal) => prepareImage({ path, install, onStep, signal }));
  const { changed, notes } = prepared;
  process.stdout.write(
    json
      ? `${JSON.stringify(prepared)}\n`
      : [
          ...(changed.length === 0 ? [`${path} was prepared already: nothing has changed`] : []),
          ...changed.map((line) => `changed: ${line}`),
          ...notes.map((line) => `note: ${line}`),
        ]
          .map((line) => `${line}\n`)
          .join(''),
  );
  return 0;
}

/** @throws Fault ALREADY_EXISTS, INVALID_INPUT */
async function writeFiles(folder: string): Promise<number> {
  try {
    await mkdir(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Fault(
      code === 'EEXIST' ? 'ALREADY_EXISTS' : 'INVALID_INPUT',
      `${folder} cannot be made: ${message}`,
      { field: 'folder', value: folder, expected: 'a folder that is not there yet' },
    );
  }
  try {
    process.stdout.write(`${await stageFiles(folder)}\n`);
    return 0;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Ctrl-C and the like end the work and take away what it has made. */
async function untilTold<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const end = (): void => abort.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, end);
  try {
    return await work(abort.signal);
  } finally {
    for (const name of signals) process.off(name, end);
  }
}

interface Given {
  readonly action: 'prepare' | 'files';
  readonly path: string;
  readonly install: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly help: boolean;
}

function parse(argv: readonly string[]): Given | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        install: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const [action, path, ...more] = positionals;
    if (values.help) return { ...values, action: 'prepare', path: '' };
    if (action !== 'prepare' && action !== 'files') return undefined;
    if (path === undefined || more.length > 0) return undefined;
    return { ...values, action, path };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return undefined;
  }
}
