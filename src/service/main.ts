/**
 * The entry point: `serve` runs the service in this process, `image` works on images of this host; everything else is the CLI, which talks
 * to a running service over HTTP.
 */
import { Fault } from '../errors/index.ts';

/** As the CLI prints them. */
function detailsOf({ details }: Fault): string {
  const { field, value, expected } = details;
  return [
    ...(field === undefined ? [] : [`  field:    ${field}\n`]),
    ...(value === undefined ? [] : [`  value:    ${JSON.stringify(value)}\n`]),
    ...(expected === undefined ? [] : [`  expected: ${expected}\n`]),
  ].join('');
}

/** @returns the exit code */
function told(error: unknown): number {
  if (!(error instanceof Fault)) throw error;
  process.stderr.write(`rootcast: ${error.code}: ${error.message}\n${detailsOf(error)}`);
  return 1;
}

const [command, ...rest] = process.argv.slice(2);

if (command === 'serve') {
  const { runServe } = await import('./run-serve.ts');
  process.exitCode = await runServe(rest).catch(told);
} else if (command === 'image') {
  const { runImage } = await import('./prepare/index.ts');
  process.exitCode = await runImage(rest).catch(told);
} else {
  const { processIo, runCli } = await import('../cli/index.ts');
  process.exitCode = await runCli(process.argv.slice(2), processIo());
}
