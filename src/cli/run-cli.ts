/** The command line: parses it, runs one command, and says with its exit code how that went. */
import { Command, CommanderError } from 'commander';
import { CliError, EXIT_OK, EXIT_USAGE } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { auditCommand, eventsCommand, leasesCommand, statusCommand } from './commands/activity.ts';
import { bootMediaCommand } from './commands/boot-media.ts';
import { bootsCommand } from './commands/boots.ts';
import { bundleCommand } from './commands/bundle.ts';
import { collectionCommand } from './commands/collection.ts';
import { enrolmentCommand } from './commands/enrolment.ts';
import { hookCommand } from './commands/hook.ts';
import { hostCommand, volumeGroupCommand } from './commands/host.ts';
import { machineCommand } from './commands/machine.ts';
import { replicationCommand } from './commands/replication.ts';
import { repositoryCommand } from './commands/repository.ts';
import { snapshotCommand } from './commands/snapshot.ts';
import { snapshotScheduleCommand } from './commands/snapshot-schedule.ts';
import { taskCommand } from './commands/task.ts';
import { vdiskCommand } from './commands/vdisk.ts';
import { versionCommand } from './commands/version.ts';
import { volumeCommand } from './commands/volume.ts';
import { xenUserCommand } from './commands/xen-user.ts';

const VERSION_FLAGS: ReadonlySet<string> = new Set(['-V', '--version']);

/**
 * @param argv without node and script
 * @returns the exit code: 0 done, 1 the server said no, 2 wrong usage, 3 the server cannot be
 *   reached
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  // No option of the program's own: it would be taken for one also behind a command that has such an option.
  if (argv.length === 1 && VERSION_FLAGS.has(argv[0] ?? '')) {
    io.stdout(`${io.version}\n`);
    return EXIT_OK;
  }
  const program = buildProgram(io);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    if (!(error instanceof CliError)) throw error;
    io.stderr(`rootcast: ${error.message}\n`);
    return error.exitCode;
  }
}

function buildProgram(io: CliIo): Command {
  const program = new Command('rootcast')
    .description('Boots many machines from one shared disk image over PXE and NBD.')
    .option('--server <url>', 'the service (or ROOTCAST_SERVER)')
    .option('--data <dir>', "the service's data folder, for its address and token")
    .option('--json', 'print JSON on standard output')
    .addHelpText(
      'after',
      '\nThe version of this program: rootcast --version\nThe service itself: rootcast serve --help\nPreparing an image: rootcast image --help\nMeasuring servers: rootcast bench --help\n',
    );
  program.addCommand(vdiskCommand(io));
  program.addCommand(versionCommand(io));
  program.addCommand(bundleCommand(io));
  program.addCommand(bootMediaCommand(io));
  program.addCommand(machineCommand(io));
  program.addCommand(bootsCommand(io));
  program.addCommand(collectionCommand(io));
  program.addCommand(enrolmentCommand(io));
  program.addCommand(replicationCommand(io));
  program.addCommand(repositoryCommand(io));
  program.addCommand(volumeCommand(io));
  program.addCommand(snapshotCommand(io));
  program.addCommand(hostCommand(io));
  program.addCommand(volumeGroupCommand(io));
  program.addCommand(snapshotScheduleCommand(io));
  program.addCommand(hookCommand(io));
  program.addCommand(xenUserCommand(io));
  program.addCommand(taskCommand(io));
  program.addCommand(eventsCommand(io));
  program.addCommand(auditCommand(io));
  program.addCommand(leasesCommand(io));
  program.addCommand(statusCommand(io));
  for (const command of withSubcommands(program)) {
    command.exitOverride();
    command.showSuggestionAfterError();
    command.configureOutput({
      writeOut: (text) => io.stdout(text),
      writeErr: (text) => io.stderr(text),
    });
  }
  return program;
}

function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}
