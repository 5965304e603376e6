/** `rootcast snapshot`: snapshots of volumes. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Task } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession, part, type Session } from '../session.ts';
import type { Difference, HookResult, Snapshot, SnapshotsTaken } from '../storage-answers.ts';
import { allPages } from './all-pages.ts';
import { cloneCommand } from './clone.ts';
import { given, refuseNothing } from './setting-options.ts';
import { treeText } from './snapshot-tree.ts';
import {
  parseSnapshotAddress,
  parseVolumeAddress,
  type SnapshotAddress,
  snapshotPath,
  type VolumeAddress,
} from './storage-address.ts';
import { showTask, type Waiting } from './version.ts';

export function snapshotCommand(io: CliIo): Command {
  const command = new Command('snapshot').description('snapshots of volumes').addHelpText(
    'after',
    `
Examples:
  rootcast snapshot create san1/database --name before-upgrade
  rootcast snapshot create san1/database san1/log --name monday      # of one moment
  rootcast snapshot list san1/database
  rootcast snapshot diff san1/database@tuesday --from database@monday`,
  );
  for (const build of [create, list, show, set, clone, remove, diff]) command.addCommand(build(io));
  return command;
}

interface CreateOptions extends Waiting {
  readonly name: string;
  readonly description?: string;
}

function create(io: CliIo): Command {
  return new Command('create')
    .argument(
      '<volumes...>',
      'REPOSITORY/VOLUME; several of one repository: of one moment',
      several,
    )
    .description('take snapshots')
    .requiredOption('--name <name>', 'of the snapshots')
    .option('--description <text>', 'for people')
    .option('--no-wait', 'only start the task')
    .action(async (volumes: readonly VolumeAddress[], options: CreateOptions, self: Command) => {
      const repositories = new Set(volumes.map(({ repository }) => repository));
      const [repository = ''] = repositories;
      if (repositories.size > 1) {
        throw new CliError(EXIT_USAGE, 'volumes of several repositories: make a volume-group');
      }
      const session = openSession(self, io);
      const { name, description, wait } = options;
      const input = given({ volumes: volumes.map(({ volume }) => volume), name, description });
      const path = `/repositories/${part(repository)}/snapshots`;
      const task = await session.client.call<Task>('POST', path, input);
      await showTask<SnapshotsTaken>(session, task, wait, `snapshot ${name}`, takenText);
    });
}

function several(text: string, before: readonly VolumeAddress[] = []): readonly VolumeAddress[] {
  return [...before, parseVolumeAddress(text)];
}

function list(io: CliIo): Command {
  return new Command('list')
    .argument('<volume>', 'REPOSITORY/VOLUME, or REPOSITORY for all of it')
    .description('snapshots as a tree')
    .option('--orphaned', 'only those whose volume is deleted')
    .option('--flat', 'as a table')
    .action(
      async (
        text: string,
        { orphaned, flat }: { orphaned?: boolean; flat?: boolean },
        self: Command,
      ) => {
        const [repository = '', volume, more] = text.split('/');
        if (repository === '' || volume === '' || more !== undefined) {
          throw new CliError(EXIT_USAGE, `${text}: REPOSITORY/VOLUME or REPOSITORY is expected`);
        }
        if (orphaned === true && volume !== undefined) {
          throw new CliError(EXIT_USAGE, '--orphaned goes with a repository, not with a volume');
        }
        const session = openSession(self, io);
        const query: Record<string, string> = {
          ...(volume === undefined ? {} : { volume }),
          ...(orphaned === true ? { orphaned: 'true' } : {}),
        };
        const path = `/repositories/${part(repository)}/snapshots`;
        const snapshots = await allPages<Snapshot>(session, path, query);
        session.show(snapshots, flat === true ? listText : treeText);
      },
    );
}

function show(io: CliIo): Command {
  return onSnapshot('show')
    .description('one snapshot')
    .action(async (address: SnapshotAddress, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Snapshot>('GET', snapshotPath(address)), snapshotText);
    });
}

interface SetOptions {
  readonly name?: string;
  readonly description?: string;
  readonly hold?: boolean;
  readonly release?: boolean;
}

function set(io: CliIo): Command {
  return onSnapshot('set')
    .description('rename, describe, hold or release a snapshot')
    .option('--name <name>', 'another name')
    .option('--description <text>', 'for people')
    .option('--hold', 'nothing deletes it, no schedule either')
    .addOption(new Option('--release', 'it may be deleted again').conflicts('hold'))
    .action(async (address: SnapshotAddress, options: SetOptions, self: Command) => {
      const { name, description, hold, release } = options;
      const held = hold ?? (release === true ? false : undefined);
      const change = refuseNothing(given({ name, description, held }));
      const session = openSession(self, io);
      const path = snapshotPath(address);
      session.show(await session.client.call<Snapshot>('PATCH', path, change), snapshotText);
    });
}

function clone(io: CliIo): Command {
  return cloneCommand(io, 'REPOSITORY/VOLUME@SNAPSHOT, or REPOSITORY/ID', (text) => {
    try {
      return snapshotPath(parseSnapshotAddress(text));
    } catch (error) {
      throw new CliError(EXIT_USAGE, `${text}: ${error instanceof Error ? error.message : error}`);
    }
  });
}

function remove(io: CliIo): Command {
  return onSnapshot('delete')
    .description('delete a snapshot and nothing else')
    .option('--no-wait', 'only start the task')
    .action(async (address: SnapshotAddress, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const task = await session.client.call<Task>('DELETE', snapshotPath(address));
      const title = `delete ${address.snapshot}`;
      await showTask<{ deleted: string }>(session, task, wait, title, ({ deleted }) => {
        return `snapshot ${deleted} deleted\n`;
      });
    });
}

interface DiffOptions {
  readonly from?: string;
}

function diff(io: CliIo): Command {
  return onSnapshot('diff')
    .description('what may differ from an earlier snapshot, or all that it holds')
    .option('--from <snapshot>', 'VOLUME@SNAPSHOT or an id, of the same repository')
    .action(async (address: SnapshotAddress, { from }: DiffOptions, self: Command) => {
      const session = openSession(self, io);
      session.show(await wholeDiff(session, address, from), diffText);
    });
}

async function wholeDiff(
  { client }: Session,
  address: SnapshotAddress,
  from: string | undefined,
): Promise<Omit<Difference, 'next'>> {
  const ranges: Difference['ranges'][number][] = [];
  for (let offset = 0; ; ) {
    const query = new URLSearchParams({ ...(from && { from }), offset: String(offset) });
    const path = `${snapshotPath(address)}/diff?${query}`;
    const page = await client.call<Difference>('GET', path);
    ranges.push(...page.ranges);
    if (page.next === null) return { size: page.size, ranges };
    offset = page.next;
  }
}

function onSnapshot(name: string): Command {
  return new Command(name).argument(
    '<snapshot>',
    'REPOSITORY/VOLUME@SNAPSHOT, or REPOSITORY/ID',
    (text: string): SnapshotAddress => {
      const address = parseSnapshotAddress(text);
      if (address.snapshot.startsWith('@'))
        throw new InvalidArgumentError('The volume is missing.');
      return address;
    },
  );
}

function nameOf({ repository, volumeWas, name }: Snapshot): string {
  return `${repository}/${volumeWas}@${name}`;
}

export function takenText({ snapshots, hooks }: SnapshotsTaken): string {
  const taken = snapshots
    .map(
      (snapshot) =>
        `snapshot ${nameOf(snapshot)} taken (${snapshot.consistency}-consistent${snapshot.emulated ? ', emulated' : ''})\n`,
    )
    .join('');
  return `${taken}${hooksText(hooks)}`;
}

function hooksText(hooks: readonly HookResult[]): string {
  return hooks
    .map(({ hook, moment, succeeded, how }) => {
      return `hook ${hook} (${moment}) ${succeeded ? 'succeeded' : 'failed'}: ${how}\n`;
    })
    .join('');
}

function listText(snapshots: readonly Snapshot[]): string {
  return table(
    ['snapshot', 'id', 'size', 'consistency', 'emulated', 'schedule', 'held', 'clones', 'created'],
    snapshots.map((snapshot) => [
      nameOf(snapshot),
      snapshot.id,
      bytes(snapshot.size),
      snapshot.consistency,
      snapshot.emulated ? 'yes' : 'no',
      snapshot.schedule ?? '-',
      snapshot.held ? 'yes' : 'no',
      snapshot.clones.join(', ') || '-',
      time(snapshot.createdAt),
    ]),
  );
}

function snapshotText(snapshot: Snapshot): string {
  return facts([
    ['snapshot', nameOf(snapshot)],
    ['id', snapshot.id],
    ['description', snapshot.description || '-'],
    ['volume', snapshot.volume ?? 'deleted'],
    ['came after', snapshot.parent ?? '-'],
    ['of one moment with', snapshot.groupId ?? 'none'],
    ['size', bytes(snapshot.size)],
    ['consistency', snapshot.consistency],
    ['emulated', snapshot.emulated ? "yes: Rootcast's layers hold it" : 'no: the storage holds it'],
    ['schedule', snapshot.schedule ?? '-'],
    ['held', snapshot.held ? 'yes: nothing deletes it' : 'no'],
    ['clones', snapshot.clones.join(', ') || '-'],
    ['export', snapshot.export ?? '-'],
    ['created', time(snapshot.createdAt)],
  ]);
}

function diffText({ size, ranges }: Omit<Difference, 'next'>): string {
  const changed = ranges.reduce((sum, { length }) => sum + length, 0);
  const rows = ranges.map(({ offset, length, kind }) => [String(offset), String(length), kind]);
  return `${table(['offset', 'length', 'kind'], rows)}\n${bytes(changed)} of ${bytes(size)}\n`;
}
