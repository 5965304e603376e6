import { Command } from 'commander';
import type { Items, Task, Vdisk, Verification } from '../answers.ts';
import { CliError, EXIT_REFUSED } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession, part } from '../session.ts';
import { exportCommand } from './export.ts';
import { importCommand } from './import.ts';
import { replicasCommand, replicateCommand, unreplicateCommand } from './vdisk-replicas.ts';
import { setCommand } from './vdisk-set.ts';
import { revertedText, showTask, versionsText, type Waiting } from './version.ts';
import { parseVersion } from './version-number.ts';

export function vdiskCommand(io: CliIo): Command {
  const command = new Command('vdisk').description('shared disks and their versions');
  command.addCommand(importCommand(io));
  command.addCommand(exportCommand(io));
  command
    .command('list')
    .description('all vDisks')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Vdisk>>('GET', '/vdisks');
      session.show(items, listText);
    });
  command
    .command('show <name>')
    .description('one vDisk with its versions')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Vdisk>('GET', `/vdisks/${part(name)}`), vdiskText);
    });
  command
    .command('delete <name>')
    .description('delete a vDisk that nothing uses')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', `/vdisks/${part(name)}`);
      session.show({ deleted: name }, () => `vDisk ${name} deleted\n`);
    });
  for (const build of [
    ...[setCommand, revertCommand, pinCommand, unpinCommand, verifyCommand],
    ...[replicateCommand, replicasCommand, unreplicateCommand],
  ]) {
    command.addCommand(build(io));
  }
  return command;
}

function revertCommand(io: CliIo): Command {
  return new Command('revert')
    .argument('<name>')
    .description('take a release back: machines boot the version before at their next boot')
    .option('--to <number>', 'an earlier version; the one before unless given', parseVersion)
    .action(async (name: string, options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `/vdisks/${part(name)}/revert`;
      session.show(await session.client.call<Vdisk>('POST', path, options), revertedText);
    });
}

function pinCommand(io: CliIo): Command {
  return new Command('pin')
    .argument('<name>')
    .argument('<number>', 'of a version', parseVersion)
    .description('let production machines boot one version, whatever is released')
    .action((name: string, number: number, _options: object, self: Command) =>
      pin(io, self, name, number),
    );
}

function unpinCommand(io: CliIo): Command {
  return new Command('unpin')
    .argument('<name>')
    .description('let production machines boot the newest version that is released')
    .action((name: string, _options: object, self: Command) => pin(io, self, name, null));
}

async function pin(
  io: CliIo,
  self: Command,
  name: string,
  pinnedVersion: number | null,
): Promise<void> {
  const session = openSession(self, io);
  const path = `/vdisks/${part(name)}`;
  session.show(await session.client.call<Vdisk>('PATCH', path, { pinnedVersion }), revertedText);
}

function verifyCommand(io: CliIo): Command {
  return new Command('verify')
    .argument('<name>')
    .argument('[number]', 'of a version; all unless given', parseVersion)
    .description('read versions and compare them with their manifests')
    .option('--no-wait', 'only start the task')
    .action(async (name: string, number: number | undefined, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const of = number === undefined ? '' : `/versions/${number}`;
      const path = `/vdisks/${part(name)}${of}/verify`;
      const task = await session.client.call<Task>('POST', path);
      const found = await showTask<Verification>(session, task, wait, `verify ${name}`, (ended) =>
        ended.damagedChunks > 0 ? '' : soundText(name, ended),
      );
      if (found !== undefined && found.damagedChunks > 0) throw damagedError(name, found);
    });
}

function soundText(name: string, { chunks, layers, bytes: read }: Verification): string {
  return `vDisk ${name}: ${chunks} chunks of ${layers} layers are right (${bytes(read)})\n`;
}

function damagedError(name: string, { damaged, damagedChunks }: Verification): CliError {
  const told = damaged.map(({ reason }) => `  ${reason}`).join('\n');
  return new CliError(EXIT_REFUSED, `vDisk ${name}: ${damagedChunks} chunks are damaged\n${told}`);
}

function listText(vdisks: readonly Vdisk[]): string {
  return table(
    ['name', 'version', 'size', 'data', 'machines', 'connections', 'bootable', 'created'],
    vdisks.map((vdisk) => [
      vdisk.name,
      String(vdisk.production ?? '-'),
      bytes(vdisk.size),
      bytes(vdisk.dataBytes),
      String(vdisk.machines),
      String(vdisk.connections),
      vdisk.bootable ? 'yes' : 'no',
      time(vdisk.createdAt),
    ]),
  );
}

function productionText({ production, pinnedVersion }: Vdisk): string {
  if (production === null) return '-';
  return `version ${production}${pinnedVersion === null ? '' : ' (pinned)'}`;
}

const OWN = "the service's own repository";

function overlaysText({ overlayRepository, overlaysElsewhere: left }: Vdisk): string {
  const where = overlayRepository ?? OWN;
  return left === 0
    ? where
    : `${where}; ${left} made before ${left === 1 ? 'is' : 'are'} elsewhere`;
}

function vdiskText(vdisk: Vdisk): string {
  const head = facts([
    ['name', vdisk.name],
    ['description', vdisk.description || '-'],
    ['export', vdisk.export],
    ['machines boot', productionText(vdisk)],
    ['cache impossible', vdisk.onCacheImpossible],
    ['SSH host keys', vdisk.sshHostKeys],
    ['size', bytes(vdisk.size)],
    ['layers in', vdisk.repository ?? OWN],
    ['write caches in', overlaysText(vdisk)],
    ['machines', String(vdisk.machines)],
    ['connections', String(vdisk.connections)],
    ['created', time(vdisk.createdAt)],
  ]);
  const versions = versionsText(vdisk.versions);
  return `${head}\n${versions}`;
}
