/** vDisks that go to another server, and come from one. */
import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { Bundle, ReceivedBundle, Task, WrittenFile } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, table, time } from '../format.ts';
import { BUNDLE_BEGINNING_BYTES, INVENTORY_FILE_BYTES_MAX } from '../limits.ts';
import { fileToSend, piecesOf, readSmall } from '../local-file.ts';
import { openSession, part, type Session } from '../session.ts';
import { bring, interruptible, query, STANDARD, take, writtenText } from '../stream-command.ts';
import { showTask } from './version.ts';
import { parseVersion } from './version-number.ts';

export function bundleCommand(io: CliIo): Command {
  const command = new Command('bundle').description('vDisks with their versions, between servers');
  for (const build of [exportBundle, inventory, show, importBundle, pull]) {
    command.addCommand(build(io));
  }
  return command;
}

interface ExportOptions {
  readonly versions?: readonly number[];
  readonly has?: string;
  readonly onServer?: boolean;
  readonly overwrite?: boolean;
  readonly wait: boolean;
}

function exportBundle(io: CliIo): Command {
  return new Command('export')
    .argument('<vdisk>')
    .argument('<path>', 'file to write on this machine, or - for standard output')
    .description('write a vDisk with its versions into one file, for another server')
    .option('--versions <numbers>', 'as 1,2,5; all that are sealed unless given', parseVersions)
    .option('--has <inventory>', 'file of what the other server has (bundle inventory), left out')
    .option('--on-server', 'the file is to be on the machine the service runs on')
    .option('--overwrite', 'replace a file that is there')
    .option('--no-wait', 'with --on-server: only start the task')
    .action(async (vdisk: string, path: string, options: ExportOptions, self: Command) => {
      const session = openSession(self, io);
      const { versions, overwrite = false, onServer, wait } = options;
      const has = options.has === undefined ? undefined : await readInventory(session, options.has);
      const bundle = `/vdisks/${part(vdisk)}/bundle`;
      const title = `bundle ${vdisk}`;
      if (onServer !== true) {
        const asked = `${bundle}${query({ versions: versions?.join() })}`;
        const body = has === undefined ? undefined : { contentIds: has };
        await take(session, { path, overwrite }, title, (signal) =>
          session.streams.download(asked, signal, body),
        );
        return;
      }
      refuseStandard(path);
      const task = await session.client.call<Task>('POST', `${bundle}/export`, {
        ...{ path: resolve(io.cwd, path), overwrite },
        ...(versions === undefined ? {} : { versions }),
        ...(has === undefined ? {} : { has }),
      });
      await showTask<WrittenFile>(session, task, wait, title, writtenText);
    });
}

function inventory(io: CliIo): Command {
  return new Command('inventory')
    .description('what this server has, as a file for the one that sends (bundle export --has)')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const found = await session.client.call<object>('GET', '/inventory');
      // For a program in any case.
      session.show(found, () => `${JSON.stringify(found, null, 1)}\n`);
    });
}

function show(io: CliIo): Command {
  return new Command('show')
    .argument('<path>', 'bundle on this machine')
    .description('what a bundle holds')
    .option('--on-server', 'the file is on the machine the service runs on')
    .action(async (path: string, { onServer }: { readonly onServer?: boolean }, self: Command) => {
      const session = openSession(self, io);
      const whole = resolve(io.cwd, path);
      const bundle = onServer
        ? await session.client.call<Bundle>('GET', `/bundles${query({ path: whole })}`)
        : await showHere(session, whole);
      session.show(bundle, bundleText);
    });
}

/** The server reads it: it is sent as much as that can take. */
async function showHere(session: Session, path: string): Promise<Bundle> {
  await fileToSend(path, session.io.cwd);
  const pieces = piecesOf(path, BUNDLE_BEGINNING_BYTES);
  return interruptible(session, (signal) =>
    session.streams.upload<Bundle>('/bundles/show', { pieces, length: undefined }, signal),
  );
}

interface ImportOptions {
  readonly name?: string;
  readonly update?: boolean;
  readonly onServer?: boolean;
  readonly wait: boolean;
}

function importBundle(io: CliIo): Command {
  return new Command('import')
    .argument('<path>', 'bundle on this machine, or - for standard input')
    .description('make a vDisk of a bundle, or add its versions to one')
    .option('--name <vdisk>', 'as it is called in the bundle unless given')
    .option('--update', 'add versions to a vDisk that is here')
    .option('--on-server', 'the file is on the machine the service runs on')
    .option('--no-wait', 'with --on-server: only start the task')
    .action(async (path: string, options: ImportOptions, self: Command) => {
      const session = openSession(self, io);
      const { name, update, onServer, wait } = options;
      if (onServer === true) {
        refuseStandard(path);
        const input = { path: resolve(io.cwd, path), name, update };
        const task = await session.client.call<Task>('POST', '/bundles/import', input);
        await showTask<ReceivedBundle>(session, task, wait, 'import bundle', receivedText);
        return;
      }
      const to = `/bundles${query({ name, update: update?.toString() })}`;
      const task = await bring<Task>(session, path, 'import bundle', to);
      await showTask<ReceivedBundle>(session, task, true, 'import bundle', receivedText);
    });
}

interface PullOptions {
  readonly token?: string;
  readonly name?: string;
  readonly versions?: readonly number[];
  readonly update?: boolean;
  readonly wait: boolean;
}

function pull(io: CliIo): Command {
  return new Command('pull')
    .argument('<url>', 'the other server, as https://server:8480')
    .argument('<vdisk>', 'as it is called there')
    .description('fetch a vDisk from another server, as far as it is lacking here')
    .option(
      '--token <token>',
      'of the other server; ROOTCAST_PULL_TOKEN is not seen by other users',
    )
    .option('--name <vdisk>', 'what it is called here; the same unless given')
    .option('--versions <numbers>', 'as 1,2,5; all that are sealed unless given', parseVersions)
    .option('--update', 'add versions to a vDisk that is here')
    .option('--no-wait', 'only start the task')
    .action(async (from: string, vdisk: string, options: PullOptions, self: Command) => {
      const session = openSession(self, io);
      const { wait, token = io.env['ROOTCAST_PULL_TOKEN'], ...rest } = options;
      if (token === undefined || token === '') {
        throw new CliError(
          EXIT_USAGE,
          'no token of the other server: --token or ROOTCAST_PULL_TOKEN',
        );
      }
      const input = { ...rest, from, vdisk, token };
      const task = await session.client.call<Task>('POST', '/bundles/pull', input);
      await showTask<ReceivedBundle>(session, task, wait, `pull ${vdisk}`, receivedText);
    });
}

function parseVersions(text: string): readonly number[] {
  const numbers = text.split(',').map((number) => parseVersion(number.trim()));
  if (new Set(numbers).size === numbers.length) return numbers;
  throw new InvalidArgumentError('Each number once.');
}

function refuseStandard(path: string): void {
  if (path !== STANDARD) return;
  throw new CliError(EXIT_USAGE, '- is of this machine: leave --on-server out');
}

async function readInventory(session: Session, path: string): Promise<readonly string[]> {
  const file = await readSmall(path, session.io.cwd, INVENTORY_FILE_BYTES_MAX);
  try {
    const { contentIds }: { contentIds?: unknown } = JSON.parse(file.toString('utf8'));
    if (Array.isArray(contentIds)) return contentIds.map(String);
  } catch {
    // said below
  }
  throw new CliError(EXIT_USAGE, `${path} is no inventory (rootcast bundle inventory)`);
}

function bundleText({ name, description, versions }: Bundle): string {
  const head = `vDisk ${name}${description === '' ? '' : `: ${description}`}\n`;
  const rows = versions.map((version) => [
    String(version.number),
    version.state,
    version.parent === null ? '-' : String(version.parent),
    bytes(version.size),
    version.sent ? 'yes' : 'no',
    version.here ? 'yes' : 'no',
    version.contentId.slice(0, 12),
    time(version.createdAt),
    version.description || '-',
  ]);
  const columns = ['version', 'state', 'from', 'size', 'sent', 'here', 'content', 'created'];
  return `${head}\n${table([...columns, 'about'], rows)}`;
}

function receivedText(received: ReceivedBundle): string {
  const { vdisk, added, present, chunksReceived, chunksLocal, bytesReceived } = received;
  const what = added.length === 0 ? 'nothing new' : `versions ${added.join(', ')} added`;
  const before = present.length === 0 ? '' : `; ${present.join(', ')} were here`;
  const came = `${bytes(bytesReceived)} came: ${chunksReceived} chunks, ${chunksLocal} were here`;
  return `vDisk ${vdisk.name}: ${what}${before}\n${came}\n`;
}
