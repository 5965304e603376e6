import { Command, Option } from 'commander';
import type { Vdisk } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { openSession, part } from '../session.ts';

interface SetOptions {
  readonly description?: string;
  /** false: --no-overlay-repository */
  readonly overlayRepository?: string | false;
  readonly onCacheImpossible?: string;
  readonly sshHostKeys?: string;
}

export function setCommand(io: CliIo): Command {
  return new Command('set')
    .argument('<name>')
    .description('change a vDisk')
    .option('--description <text>', 'for people')
    .option('--overlay-repository <name>', 'where write caches are made from now on')
    .option('--no-overlay-repository', "make them in the service's own repository again")
    .addOption(
      new Option(
        '--on-cache-impossible <what>',
        'of a machine that cannot have the write cache on itself that it is to have',
      ).choices(['fallback', 'refuse']),
    )
    .addOption(
      new Option(
        '--ssh-host-keys <which>',
        'kept by the server for each machine, made anew at each boot, or those in the image',
      ).choices(['kept', 'each-boot', 'image']),
    )
    .action(async (name: string, options: SetOptions, self: Command) => {
      const { overlayRepository: given, ...others } = options;
      if (Object.keys(options).length === 0) {
        throw new CliError(EXIT_USAGE, 'nothing to change: give at least one option');
      }
      const session = openSession(self, io);
      const changes = {
        ...others,
        ...(given === undefined ? {} : { overlayRepository: given === false ? null : given }),
      };
      const path = `/vdisks/${part(name)}`;
      const vdisk = await session.client.call<Vdisk>('PATCH', path, changes);
      session.show(vdisk, (shown) => (given === undefined ? changedText(shown) : movedText(shown)));
    });
}

const changedText = ({ name }: Vdisk): string => `vDisk ${name} changed\n`;

function movedText({ name, overlayRepository, overlaysElsewhere: left }: Vdisk): string {
  const where = overlayRepository ?? "the service's own repository";
  const first = `write caches of ${name} are made in ${where} from now on\n`;
  if (left === 0) return first;
  const stay =
    left === 1 ? '1 that exists stays where it is' : `${left} that exist stay where they are`;
  return `${first}${stay}, until renewed, captured or sealed\n`;
}
