import { Command } from 'commander';
import type { Items, Machine } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { openSession, part } from '../session.ts';
import { captureCommand, changesCommand } from './capture.ts';
import {
  addMachineOptions,
  addSelection,
  type MachineOptions,
  machineFields,
  requireVdisk,
} from './machine-options.ts';
import { machineSetCommand } from './machine-set.ts';
import { machineListText, machineText } from './machine-text.ts';
import { timelineCommand } from './machine-timeline.ts';
import { personalityCommand } from './personality.ts';

export function machineCommand(io: CliIo): Command {
  const command = new Command('machine').description('machines that boot from vDisks');
  command.addCommand(addCommand(io));
  command.addCommand(machineSetCommand(io));
  command.addCommand(listCommand(io));
  command.addCommand(personalityCommand(io, 'machine'));
  command.addCommand(changesCommand(io));
  command.addCommand(captureCommand(io));
  command.addCommand(timelineCommand(io));
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

function listCommand(io: CliIo): Command {
  return addSelection(new Command('list').description('all machines')).action(
    async ({ allIn }: { allIn?: string }, self: Command) => {
      const session = openSession(self, io);
      const only = allIn === undefined ? '' : `?collection=${part(allIn)}`;
      const { items } = await session.client.call<Items<Machine>>('GET', `/machines${only}`);
      session.show(items, machineListText);
    },
  );
}

function addCommand(io: CliIo): Command {
  const command = new Command('add')
    .argument('<name>', 'name of the machine')
    .description('add a machine')
    .requiredOption('--mac <mac>', 'address of its network card');
  return addMachineOptions(command).action(
    async (name: string, options: MachineOptions, self: Command) => {
      requireVdisk(options);
      const session = openSession(self, io);
      const body = { name, ...machineFields(options) };
      const machine = await session.client.call<Machine>('POST', '/machines', body);
      session.show(machine, () => `machine ${name} added (${machine.mac})\n`);
    },
  );
}
