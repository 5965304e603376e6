/** `rootcast host` and `rootcast volume-group`. */
import { Command } from 'commander';
import type { Items, Task } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { table } from '../format.ts';
import { openSession, part } from '../session.ts';
import type { Host, SnapshotsTaken, VolumeGroup } from '../storage-answers.ts';
import { fenceCommands } from './host-fence.ts';
import { another, given, refuseNothing } from './setting-options.ts';
import { takenText } from './snapshot.ts';
import { showTask, type Waiting } from './version.ts';

interface HostOptions {
  readonly name?: string;
  readonly iqn?: readonly string[];
  readonly address?: readonly string[];
  readonly description?: string;
}

export function hostCommand(io: CliIo): Command {
  const command = new Command('host')
    .description('hosts that volumes can be mapped to')
    .addHelpText(
      'after',
      '\nExample:\n  rootcast host add web7 --iqn iqn.2026-01.com.example:web7 --address 192.0.2.7',
    );
  const add = new Command('add').argument('<name>').description('add a host');
  addPorts(add).action(async (name: string, options: HostOptions, self: Command) => {
    const session = openSession(self, io);
    const input = { ...hostFields(options), name };
    session.show(await session.client.call<Host>('POST', '/hosts', input), oneHost);
  });
  const set = new Command('set')
    .argument('<name>')
    .description('change what is given; initiator names and addresses replace those that there are')
    .option('--name <name>', 'another name');
  addPorts(set).action(async (name: string, options: HostOptions, self: Command) => {
    const change = refuseNothing(given({ name: options.name, ...hostFields(options) }));
    const session = openSession(self, io);
    session.show(await session.client.call<Host>('PATCH', `/hosts/${part(name)}`, change), oneHost);
  });
  for (const sub of [add, set, ...fenceCommands(io)]) command.addCommand(sub);
  addListShowDelete<Host>(command, io, { path: '/hosts', what: 'host', text: hostsText });
  return command;
}

function addPorts(command: Command): Command {
  return command
    .option('--iqn <name>', 'iSCSI name of its initiator; may be repeated', another)
    .option('--address <address>', 'IP address or network; may be repeated', another)
    .option('--description <text>', 'for people');
}

function hostFields({ iqn, address, description }: HostOptions): Record<string, unknown> {
  return given({ iqns: iqn, addresses: address, description });
}

function hostsText(hosts: readonly Host[]): string {
  return table(
    ['name', 'initiators', 'addresses', 'description'],
    hosts.map(({ name, iqns, addresses, description }) => [
      name,
      iqns.join(', ') || '-',
      addresses.join(', ') || '-',
      description || '-',
    ]),
  );
}

const oneHost = (host: Host): string => hostsText([host]);

interface GroupOptions {
  readonly name?: string;
  readonly volume?: readonly string[];
  readonly description?: string;
}

export function volumeGroupCommand(io: CliIo): Command {
  const command = new Command('volume-group')
    .description('volumes whose snapshots are of one moment')
    .addHelpText(
      'after',
      `
Example:
  rootcast volume-group add shop --volume san1/database --volume san1/log
  rootcast volume-group snapshot shop --name monday`,
    );
  command
    .command('add <name>')
    .description('add a group')
    .requiredOption('--volume <volume>', 'REPOSITORY/VOLUME; may be repeated', another)
    .option('--description <text>', 'for people')
    .action(async (name: string, { volume, description }: GroupOptions, self: Command) => {
      const session = openSession(self, io);
      const input = given({ name, volumes: volume, description });
      session.show(
        await session.client.call<VolumeGroup>('POST', '/volume-groups', input),
        oneGroup,
      );
    });
  command
    .command('set <name>')
    .description('change what is given; volumes replace those that there are')
    .option('--name <name>', 'another name')
    .option('--volume <volume>', 'REPOSITORY/VOLUME; may be repeated', another)
    .option('--description <text>', 'for people')
    .action(async (name: string, options: GroupOptions, self: Command) => {
      const { volume: volumes, description } = options;
      const change = refuseNothing(given({ name: options.name, volumes, description }));
      const session = openSession(self, io);
      const path = `/volume-groups/${part(name)}`;
      session.show(await session.client.call<VolumeGroup>('PATCH', path, change), oneGroup);
    });
  command.addCommand(groupSnapshot(io));
  const rest = { path: '/volume-groups', what: 'volume group', text: groupsText };
  addListShowDelete<VolumeGroup>(command, io, rest);
  return command;
}

function groupSnapshot(io: CliIo): Command {
  return new Command('snapshot')
    .argument('<name>', 'of the group')
    .description('take snapshots of all its volumes, of one moment')
    .requiredOption('--name <name>', 'of the snapshots')
    .option('--description <text>', 'for people')
    .option('--no-wait', 'only start the task')
    .action(
      async (
        group: string,
        { name, description, wait }: Waiting & { name: string; description?: string },
        self: Command,
      ) => {
        const session = openSession(self, io);
        const path = `/volume-groups/${part(group)}/snapshots`;
        const task = await session.client.call<Task>('POST', path, given({ name, description }));
        await showTask<SnapshotsTaken>(session, task, wait, `snapshot ${name}`, takenText);
      },
    );
}

function groupsText(groups: readonly VolumeGroup[]): string {
  return table(
    ['name', 'volumes', 'description'],
    groups.map(({ name, volumes, description }) => [name, volumes.join(', '), description || '-']),
  );
}

const oneGroup = (group: VolumeGroup): string => groupsText([group]);

/** `list`, `show` and `delete` of what is a table of a few. */
export function addListShowDelete<T extends { readonly name: string }>(
  command: Command,
  io: CliIo,
  of: {
    readonly path: string;
    readonly what: string;
    readonly text: (all: readonly T[]) => string;
  },
): void {
  const { path, what, text } = of;
  command
    .command('list')
    .description(`all ${what}s`)
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      session.show((await session.client.call<Items<T>>('GET', path)).items, text);
    });
  command
    .command('show <name>')
    .description(`one ${what}`)
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const one = await session.client.call<T>('GET', `${path}/${part(name)}`);
      session.show(one, (shown) => text([shown]));
    });
  command
    .command('delete <name>')
    .description(`delete a ${what}`)
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', `${path}/${part(name)}`);
      session.show({ deleted: name }, () => `${what} ${name} deleted\n`);
    });
}
