/** `rootcast volume`: volumes of repositories. */
import { Command } from 'commander';
import type { Items, Task } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, table } from '../format.ts';
import { openSession, part } from '../session.ts';
import type { ForeignVolume, Repository, SizedVolume, Volume } from '../storage-answers.ts';
import { allPages } from './all-pages.ts';
import { cloneCommand } from './clone.ts';
import { given, refuseNothing } from './setting-options.ts';
import {
  parseSnapshotAddress,
  parseVolumeAddress,
  snapshotPath,
  type VolumeAddress,
  volumePath,
} from './storage-address.ts';
import { showTask, type Waiting } from './version.ts';
import { addMappingCommands } from './volume-mapping.ts';
import { sizedText, volumesText, volumeText } from './volume-text.ts';

const ADDRESS = 'REPOSITORY/VOLUME';

export function volumeCommand(io: CliIo): Command {
  const command = new Command('volume').description('volumes of repositories').addHelpText(
    'after',
    `
Examples:
  rootcast volume create san1/database --size 100G
  rootcast volume resize san1/database 150G
  rootcast volume clone san1/database@monday test-database
  rootcast volume map san1/database --host web7 --chap-user web7`,
  );
  for (const build of [list, show, create, set, resize, remove, foreign, adopt]) {
    command.addCommand(build(io));
  }
  for (const build of [clone, split, revert]) command.addCommand(build(io));
  addMappingCommands(command, io);
  return command;
}

function list(io: CliIo): Command {
  return new Command('list')
    .argument('[repository]', 'all repositories unless given')
    .description('volumes of a repository')
    .action(async (repository: string | undefined, _options: object, self: Command) => {
      const session = openSession(self, io);
      const names =
        repository === undefined
          ? (await session.client.call<Items<Repository>>('GET', '/repositories')).items.map(
              ({ name }) => name,
            )
          : [repository];
      const volumes: Volume[] = [];
      for (const name of names) {
        volumes.push(...(await allPages<Volume>(session, `/repositories/${part(name)}/volumes`)));
      }
      session.show(volumes, volumesText);
    });
}

function show(io: CliIo): Command {
  return onVolume('show')
    .description('one volume, with what the storage says of it now')
    .action(async (address: VolumeAddress, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Volume>('GET', volumePath(address)), volumeText);
    });
}

interface CreateOptions extends Waiting {
  readonly size: string;
  readonly thick?: boolean;
  readonly description?: string;
}

function create(io: CliIo): Command {
  return onVolume('create')
    .description('create a volume that reads as zeroes')
    .requiredOption('--size <size>', 'such as 100G; the storage may round it up')
    .option('--thick', 'take all of its space at once')
    .option('--description <text>', 'for people')
    .option('--no-wait', 'only start the task')
    .action(async (address: VolumeAddress, options: CreateOptions, self: Command) => {
      const session = openSession(self, io);
      const { repository, volume: name } = address;
      const { size, thick, description, wait } = options;
      const thin = thick === true ? false : undefined;
      const input = given({ name, size, thin, description });
      const path = `/repositories/${part(repository)}/volumes`;
      const task = await session.client.call<Task>('POST', path, input);
      await showTask<SizedVolume>(session, task, wait, `create ${name}`, sizedText('created'));
    });
}

function set(io: CliIo): Command {
  return onVolume('set')
    .description('rename or describe a volume')
    .option('--name <name>', 'another name')
    .option('--description <text>', 'for people')
    .action(async (address: VolumeAddress, options: Record<string, unknown>, self: Command) => {
      const change = refuseNothing(given(options));
      const session = openSession(self, io);
      const path = volumePath(address);
      session.show(await session.client.call<Volume>('PATCH', path, change), volumeText);
    });
}

function resize(io: CliIo): Command {
  return onVolume('resize')
    .argument('<size>', 'all of it, such as 150G; never less than it has')
    .description('make a volume larger, also while it is open')
    .option('--no-wait', 'only start the task')
    .action(async (address: VolumeAddress, size: string, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const path = `${volumePath(address)}/resize`;
      const task = await session.client.call<Task>('POST', path, { size });
      const title = `resize ${address.volume}`;
      await showTask<SizedVolume>(session, task, wait, title, sizedText('resized'));
    });
}

function remove(io: CliIo): Command {
  return onVolume('delete')
    .description('delete a volume that nothing uses; its snapshots live on')
    .option('--no-wait', 'only start the task')
    .action(async (address: VolumeAddress, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const task = await session.client.call<Task>('DELETE', volumePath(address));
      await showTask<{ deleted: string; snapshotsLeft: number }>(
        session,
        task,
        wait,
        `delete ${address.volume}`,
        ({ deleted, snapshotsLeft }) =>
          `volume ${deleted} deleted${snapshotsLeft === 0 ? '' : `; ${snapshotsLeft} snapshots of it live on`}\n`,
      );
    });
}

function foreign(io: CliIo): Command {
  return new Command('foreign')
    .argument('<repository>')
    .description('volumes on the storage that are not ours')
    .action(async (repository: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `/repositories/${part(repository)}/foreign-volumes`;
      const { items } = await session.client.call<Items<ForeignVolume>>('GET', path);
      session.show(items, (volumes) =>
        table(
          ['id', 'name', 'size', 'wwid'],
          volumes.map(({ nativeId, name, size, wwid }) => [
            nativeId,
            name,
            bytes(size),
            wwid ?? '-',
          ]),
        ),
      );
    });
}

function adopt(io: CliIo): Command {
  return onVolume('adopt')
    .argument('<id>', 'of one that `volume foreign` lists')
    .description('take over a volume that is on the storage already, with all that is on it')
    .option('--description <text>', 'for people')
    .action(
      async (
        { repository, volume: name }: VolumeAddress,
        nativeId: string,
        { description }: { description?: string },
        self: Command,
      ) => {
        const session = openSession(self, io);
        const path = `/repositories/${part(repository)}/adopted-volumes`;
        const input = given({ nativeId, name, description });
        session.show(await session.client.call<Volume>('POST', path, input), volumeText);
      },
    );
}

function clone(io: CliIo): Command {
  return cloneCommand(
    io,
    'REPOSITORY/VOLUME as it is now, or REPOSITORY/VOLUME@SNAPSHOT',
    sourcePath,
  );
}

function sourcePath(source: string): string {
  try {
    return source.includes('@')
      ? snapshotPath(parseSnapshotAddress(source))
      : volumePath(parseVolumeAddress(source));
  } catch (error) {
    throw new CliError(EXIT_USAGE, `${source}: ${error instanceof Error ? error.message : error}`);
  }
}

function split(io: CliIo): Command {
  return onVolume('split')
    .description('give a linked clone all of its blocks, so that it stands on nothing')
    .option('--no-wait', 'only start the task')
    .action(async (address: VolumeAddress, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const task = await session.client.call<Task>('POST', `${volumePath(address)}/split`);
      const title = `split ${address.volume}`;
      await showTask<Volume>(session, task, wait, title, volumeText);
    });
}

function revert(io: CliIo): Command {
  return onVolume('revert')
    .argument('<snapshot>', 'of this volume')
    .description('make it what it was then; what was written since is gone')
    .option('--no-wait', 'only start the task')
    .action(async (address: VolumeAddress, snapshot: string, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const path = `${volumePath(address)}/revert`;
      const task = await session.client.call<Task>('POST', path, { snapshot });
      await showTask<Volume>(session, task, wait, `revert ${address.volume}`, () => {
        return `volume ${address.repository}/${address.volume} is as it was at ${snapshot}\n`;
      });
    });
}

function onVolume(name: string): Command {
  return new Command(name).argument('<volume>', ADDRESS, parseVolumeAddress);
}
