/** Passwords: asked for, or read from a file. Never an argument, which every user of the machine can see. */
import { CliError, EXIT_USAGE } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { SECRET_FILE_BYTES_MAX } from './limits.ts';
import { readSmall } from './local-file.ts';

/** @throws CliError EXIT_USAGE */
export async function askSecret(io: CliIo, what: string): Promise<string> {
  if (io.askSecret === undefined) {
    throw new CliError(EXIT_USAGE, `there is no terminal to ask for ${what}: give it in a file`);
  }
  return refuseEmpty(await io.askSecret(`${what}: `), what);
}

/**
 * @param file `-`: standard input. The end of its last line does not belong to it.
 * @throws CliError
 */
export async function readSecret(io: CliIo, file: string, what: string): Promise<string> {
  const text =
    file === '-'
      ? await io.stdin()
      : (await readSmall(file, io.cwd, SECRET_FILE_BYTES_MAX)).toString('utf8');
  return refuseEmpty(text.replace(/\r?\n$/, ''), what);
}

function refuseEmpty(secret: string, what: string): string {
  if (secret !== '') return secret;
  throw new CliError(EXIT_USAGE, `${what} is empty`);
}
