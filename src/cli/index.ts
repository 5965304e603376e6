/** The command line. Talks HTTP only. Read first: run-cli.ts. */
export type { CliIo } from './cli-io.ts';
export { processIo } from './process-io.ts';
export { runCli } from './run-cli.ts';
