/** Options of a machine beside its settings, and how machines are chosen. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import { addSettingOptions, given, type SettingOptions, settingFields } from './setting-options.ts';

export interface MachineOptions extends SettingOptions {
  readonly mac?: string;
  readonly inCollection?: string;
  readonly outOfCollection?: boolean;
  readonly pin?: number;
  readonly unpin?: boolean;
  readonly kernelArguments?: string;
  readonly discardCache?: boolean;
}

export function addMachineOptions(command: Command): Command {
  return addSettingOptions(
    command
      .option('--in-collection <collection>', 'put it in there')
      .option('--pin <version>', 'boot this version of its vDisk, whatever its class', version),
    'its',
  ).option('--kernel-arguments <text>', 'added to the kernel command line');
}

/** Which machines: those that are named, or all of a collection. */
export function addSelection(command: Command): Command {
  return command.addOption(
    new Option('--all-in <collection>', 'all machines of this collection, instead of names'),
  );
}

/** Options under the names that the API gives them. */
export function machineFields(options: MachineOptions): Record<string, unknown> {
  const { mac, inCollection, outOfCollection, pin, unpin, kernelArguments, discardCache } = options;
  return given({
    mac,
    collection: inCollection ?? (outOfCollection === true ? null : undefined),
    pinnedVersion: pin ?? (unpin === true ? null : undefined),
    ...settingFields(options),
    kernelArguments,
    discardCache,
  });
}

/** @throws CliError EXIT_USAGE */
export function requireVdisk({ vdisk, inCollection }: MachineOptions): void {
  if (vdisk !== undefined || inCollection !== undefined) return;
  throw new CliError(EXIT_USAGE, 'give --vdisk VDISK, or --in-collection of one that has a vDisk');
}

function version(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('the number of a version is expected');
}
