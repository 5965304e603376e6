/** `rootcast volume map`, `unmap` and `mappings`: which hosts reach a volume. */
import { Command, Option } from 'commander';
import type { Items } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { table } from '../format.ts';
import { askSecret, readSecret } from '../secret-input.ts';
import { openSession, part } from '../session.ts';
import type { Mapping } from '../storage-answers.ts';
import { parseVolumeAddress, type VolumeAddress, volumePath } from './storage-address.ts';

export function addMappingCommands(command: Command, io: CliIo): void {
  for (const build of [map, unmap, mappings]) command.addCommand(build(io));
}

interface MapOptions {
  readonly host: string;
  readonly mode?: string;
  readonly chapUser?: string;
  readonly chapPasswordFile?: string;
  readonly mutualUser?: string;
  readonly mutualPasswordFile?: string;
}

function map(io: CliIo): Command {
  return onVolume('map')
    .description('let a host reach a volume')
    .requiredOption('--host <host>', 'name of a host (host list)')
    .addOption(new Option('--mode <mode>', 'rw unless given').choices(['rw', 'ro']))
    .option('--chap-user <user>', 'it must log in as this user; the password is asked for')
    .option('--chap-password-file <file>', "… or read from a file, '-' for standard input")
    .option('--mutual-user <user>', 'the storage logs in at the host too, as this user')
    .option('--mutual-password-file <file>', "its password, from a file ('-': standard input)")
    .action(async (address: VolumeAddress, options: MapOptions, self: Command) => {
      const session = openSession(self, io);
      const { host, mode } = options;
      const chap = await chapOf(io, options);
      const input = { host, ...(mode && { mode }), ...(chap && { chap }) };
      const path = `${volumePath(address)}/mappings`;
      const mapping = await session.client.call<Mapping>('POST', path, input);
      session.show([mapping], mappingsText);
    });
}

async function chapOf(io: CliIo, options: MapOptions): Promise<object | undefined> {
  const { chapUser, chapPasswordFile, mutualUser, mutualPasswordFile } = options;
  if (chapUser === undefined) {
    if (chapPasswordFile ?? mutualUser ?? mutualPasswordFile) {
      throw new CliError(EXIT_USAGE, 'passwords belong to a user: give --chap-user');
    }
    return undefined;
  }
  if (mutualUser === undefined && mutualPasswordFile !== undefined) {
    throw new CliError(EXIT_USAGE, 'passwords belong to a user: give --mutual-user');
  }
  const password = await passwordOf(io, chapPasswordFile, `password of ${chapUser}`);
  if (mutualUser === undefined) return { user: chapUser, password };
  const theirs = await passwordOf(io, mutualPasswordFile, `password of ${mutualUser}`);
  return { user: chapUser, password, mutual: { user: mutualUser, password: theirs } };
}

function passwordOf(io: CliIo, file: string | undefined, what: string): Promise<string> {
  return file === undefined ? askSecret(io, what) : readSecret(io, file, what);
}

function unmap(io: CliIo): Command {
  return onVolume('unmap')
    .description('let a host not reach a volume any more')
    .option('--host <host>', 'name of the host')
    .addOption(new Option('--all', 'all hosts').conflicts('host'))
    .option('--force', 'also while the host has it open')
    .action(
      async (
        address: VolumeAddress,
        { host, all, force }: { host?: string; all?: boolean; force?: boolean },
        self: Command,
      ) => {
        if (host === undefined && all !== true) {
          throw new CliError(EXIT_USAGE, 'which host: --host HOST, or --all');
        }
        const session = openSession(self, io);
        const of = host === undefined ? '' : `/${part(host)}`;
        const query = force === true ? '?force=true' : '';
        await session.client.call('DELETE', `${volumePath(address)}/mappings${of}${query}`);
        const name = `${address.repository}/${address.volume}`;
        session.show({ unmapped: name, host: host ?? null }, () => `volume ${name} is unmapped\n`);
      },
    );
}

function mappings(io: CliIo): Command {
  return onVolume('mappings')
    .description('who reaches a volume, as the storage says')
    .action(async (address: VolumeAddress, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `${volumePath(address)}/mappings`;
      const { items } = await session.client.call<Items<Mapping>>('GET', path);
      session.show(items, mappingsText);
    });
}

function onVolume(name: string): Command {
  return new Command(name).argument('<volume>', 'REPOSITORY/VOLUME', parseVolumeAddress);
}

function mappingsText(all: readonly Mapping[]): string {
  return table(
    ['host', 'mode', 'lun', 'target', 'portals', 'open by'],
    all.map(({ host, mode, lun, iqn, path, portals, sessions }) => [
      host,
      mode,
      lun === null ? '-' : String(lun),
      iqn ?? path ?? '-',
      portals.join(', ') || '-',
      sessions.join(', ') || '-',
    ]),
  );
}
