import { Command, Option } from 'commander';
import type { Items, Machine } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { openSession, part } from '../session.ts';
import { captureCommand, changesCommand } from './capture.ts';
import { machineListText, machineText } from './machine-text.ts';

export const CACHE_MODES = ['server', 'server-persistent'];

interface MachineOptions {
  readonly mac?: string;
  readonly vdisk?: string;
  readonly cache?: string;
  readonly quota?: string;
  readonly kernelArguments?: string;
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly discardCache?: boolean;
}

export function machineCommand(io: CliIo): Command {
  const command = new Command('machine').description('machines that boot from vDisks');
  command.addCommand(addCommand(io));
  command.addCommand(setCommand(io));
  command.addCommand(changesCommand(io));
  command.addCommand(captureCommand(io));
  command
    .command('list')
    .description('all machines')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Machine>>('GET', '/machines');
      session.show(items, machineListText);
    });
  command
    .command('show <name>')
    .description('everything about one machine')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const machine = await session.client.call<Machine>('GET', `/machines/${part(name)}`);
      session.show(machine, machineText);
    });
  command
    .command('delete <name>')
    .description('delete a machine and its write cache; its connections end')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', `/machines/${part(name)}`);
      session.show({ deleted: name }, () => `machine ${name} deleted\n`);
    });
  command
    .command('reset <name>')
    .description('discard the write cache of a machine that is off')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const machine = await session.client.call<Machine>('POST', `/machines/${part(name)}/reset`);
      session.show(machine, () => `write cache of ${name} discarded\n`);
    });
  return command;
}

function addCommand(io: CliIo): Command {
  return new Command('add')
    .argument('<name>', 'name of the machine')
    .description('add a machine')
    .requiredOption('--mac <mac>', 'address of its network card')
    .requiredOption('--vdisk <vdisk>', 'what it boots from')
    .addOption(new Option('--cache <mode>', 'its write cache').choices(CACHE_MODES))
    .option('--quota <size>', 'limit of its write cache, e.g. 10GiB')
    .option('--kernel-arguments <text>', 'added to the kernel command line')
    .action(async (name: string, options: MachineOptions, self: Command) => {
      const session = openSession(self, io);
      const body = { name, ...machineFields(options) };
      const machine = await session.client.call<Machine>('POST', '/machines', body);
      session.show(machine, () => `machine ${name} added (${machine.mac})\n`);
    });
}

function setCommand(io: CliIo): Command {
  return new Command('set')
    .argument('<name>', 'name of the machine')
    .description('change what is given, leave the rest')
    .option('--mac <mac>', 'address of its network card')
    .option('--vdisk <vdisk>', 'what it boots from')
    .addOption(new Option('--cache <mode>', 'its write cache').choices(CACHE_MODES))
    .option('--quota <size>', "limit of its write cache, or 'none'")
    .option('--kernel-arguments <text>', 'added to the kernel command line')
    .option('--enable', 'let it boot')
    .addOption(new Option('--disable', 'leave it to its local disk').conflicts('enable'))
    .option('--discard-cache', 'with --vdisk: also when a persistent write cache is lost')
    .action(async (name: string, options: MachineOptions, self: Command) => {
      const body = machineFields(options);
      if (Object.keys(body).length === 0) {
        throw new CliError(EXIT_USAGE, 'nothing to set: give at least one option');
      }
      const session = openSession(self, io);
      const machine = await session.client.call<Machine>('PATCH', `/machines/${part(name)}`, body);
      session.show(machine, machineText);
    });
}

/** Options under the names that the API gives them. */
export function machineFields(options: MachineOptions): Record<string, unknown> {
  const { cache, quota, enable, disable, mac, vdisk, kernelArguments, discardCache } = options;
  const fields = {
    mac,
    vdisk,
    cacheMode: cache,
    quota: quota === 'none' ? null : quota,
    kernelArguments,
    enabled: enable ?? (disable === true ? false : undefined),
    discardCache,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
