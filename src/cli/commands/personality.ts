/** `personality` of a machine or of a collection: names and values that machines are handed at boot. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Personality } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table } from '../format.ts';
import { openSession, part, type Session } from '../session.ts';
import { another } from './setting-options.ts';

interface PersonalityOptions {
  readonly set?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
  readonly file?: string;
  readonly clear?: boolean;
}

/** @param of `machine` or `collection` */
export function personalityCommand(io: CliIo, of: 'machine' | 'collection'): Command {
  return new Command('personality')
    .argument('<name>', `name of the ${of}`)
    .description('show or change names and values that are handed over at boot (no secrets)')
    .option('--set <name=value>', 'set one; may be repeated', assignment)
    .option('--unset <name>', 'remove one; may be repeated', another)
    .addOption(
      new Option('--file <file>', "a JSON object with all of its names and values, '-' for stdin")
        .conflicts('set')
        .conflicts('unset')
        .conflicts('clear'),
    )
    .addOption(new Option('--clear', 'remove all of its own').conflicts(['set', 'unset']))
    .action(async (name: string, options: PersonalityOptions, self: Command) => {
      const values = options.file === undefined ? undefined : await readValues(options.file, io);
      const session = openSession(self, io);
      const path = `/${of}s/${part(name)}/personality`;
      session.show(await change(session, path, options, values), (personality) =>
        personalityText(personality, of),
      );
    });
}

async function change(
  { client }: Session,
  path: string,
  { set, unset, clear }: PersonalityOptions,
  values: unknown,
): Promise<Personality> {
  if (values !== undefined) return client.call('PUT', path, { values });
  if (clear === true) return client.call('PUT', path, { values: {} });
  if (set === undefined && unset === undefined) return client.call('GET', path);
  return client.call('PATCH', path, {
    ...(set === undefined ? {} : { set }),
    ...(unset === undefined ? {} : { unset }),
  });
}

function personalityText(
  { values, inherited, bytes: size, bytesMax }: Personality,
  of: 'machine' | 'collection',
): string {
  const rows = [
    ...Object.entries(values).map(([name, value]) => [name, value, of]),
    ...Object.entries(inherited).map(([name, value]) => [name, value, 'collection']),
  ].sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  const space = facts([['size', `${bytes(size)} of ${bytes(bytesMax)}`]]);
  return `${table(['name', 'value', 'from'], rows)}\n${space}`;
}

function assignment(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('NAME=VALUE is expected');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

async function readValues(file: string, io: CliIo): Promise<object> {
  const name = file === '-' ? 'standard input' : file;
  try {
    const text = file === '-' ? await io.stdin() : readFileSync(resolve(io.cwd, file), 'utf8');
    const values: unknown = JSON.parse(text);
    if (typeof values === 'object' && values !== null && !Array.isArray(values)) return values;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT_USAGE, `cannot read names and values from ${name}: ${why}`);
  }
  throw new CliError(EXIT_USAGE, `${name} is not a JSON object of names and values`);
}
