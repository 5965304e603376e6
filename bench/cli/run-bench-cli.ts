/** The command line of the benchmark: parses it, runs one command, says with its exit code how that went. */
import { Command, CommanderError } from 'commander';
import { CliError, EXIT_OK, EXIT_REFUSED, EXIT_USAGE } from '../../src/cli/cli-error.ts';
import type { CliIo } from '../../src/cli/index.ts';
import { Fault } from '../../src/errors/index.ts';
import { WrongDataError } from '../load/job.ts';
import { peersCommand } from './peers.ts';
import { recordCommand } from './record.ts';
import { compareCommand, reportCommand } from './reports.ts';
import { runCommand } from './run.ts';

/**
 * @param argv without node, script and `bench`
 * @returns the exit code, as the CLI's: 0 done, 1 it failed, 2 wrong usage
 */
export async function runBenchCli(argv: readonly string[], io: CliIo): Promise<number> {
  const program = buildProgram(io);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    if (error instanceof CliError) {
      io.stderr(`rootcast bench: ${error.message}\n`);
      return error.exitCode;
    }
    if (error instanceof WrongDataError || error instanceof Fault) {
      io.stderr(`rootcast bench: ${error.message}\n`);
      return EXIT_REFUSED;
    }
    throw error;
  }
}

function buildProgram(io: CliIo): Command {
  const program = new Command('rootcast bench').description(
    'Measures block servers, and compares them.',
  );
  program.addCommand(runCommand(io));
  program.addCommand(peersCommand(io));
  program.addCommand(recordCommand(io));
  program.addCommand(compareCommand(io));
  program.addCommand(reportCommand(io));
  for (const command of [program, ...program.commands]) {
    command.exitOverride();
    command.showSuggestionAfterError();
    command.configureOutput({
      writeOut: (text) => io.stdout(text),
      writeErr: (text) => io.stderr(text),
    });
  }
  return program;
}
