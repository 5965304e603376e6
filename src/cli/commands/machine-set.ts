import { Command, Option } from 'commander';
import type { Machine } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { openSession, part } from '../session.ts';
import { changeMachines, requireSelection } from './change-machines.ts';
import {
  addMachineOptions,
  addSelection,
  type MachineOptions,
  machineFields,
} from './machine-options.ts';
import { machineListText, machineText } from './machine-text.ts';
import { addInheritOption, refuseNothing } from './setting-options.ts';

interface SetOptions extends MachineOptions {
  readonly allIn?: string;
}

export function machineSetCommand(io: CliIo): Command {
  const command = new Command('set')
    .argument('[names...]', 'names of machines')
    .description('change what is given, leave the rest; several machines all or none')
    .option('--mac <mac>', 'address of its network card; of one machine');
  addMachineOptions(addSelection(command));
  return addInheritOption(command, 'take from its collection again')
    .addOption(new Option('--out-of-collection', 'in none').conflicts('inCollection'))
    .addOption(new Option('--unpin', 'let its class decide again').conflicts('pin'))
    .option('--discard-cache', 'another vDisk may cost a persistent write cache')
    .action(async (names: string[], options: SetOptions, self: Command) => {
      const { allIn } = options;
      requireSelection({ names, allIn });
      const change = refuseNothing(machineFields(options));
      const [name] = names;
      const session = openSession(self, io);
      if (name !== undefined && names.length === 1) {
        const path = `/machines/${part(name)}`;
        session.show(await session.client.call<Machine>('PATCH', path, change), machineText);
        return;
      }
      if (options.mac !== undefined) {
        throw new CliError(EXIT_USAGE, '--mac is of one machine');
      }
      session.show(await changeMachines(session, { names, allIn }, change), machineListText);
    });
}
