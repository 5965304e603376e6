/** Settings of a repository on the command line, as its kind wants them; secrets come from elsewhere. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Items } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { askSecret, readSecret } from '../secret-input.ts';
import type { Session } from '../session.ts';
import type { RepositoryKind } from '../storage-answers.ts';
import { another } from './setting-options.ts';

type Texts = Readonly<Record<string, string>>;

export interface TargetOptions {
  readonly set?: Texts;
  readonly secret?: readonly string[];
  readonly secretFile?: Texts;
}

export function addTargetOptions(command: Command): Command {
  return command
    .option('--set <name=value>', 'a setting (repository kinds); may be repeated', assignment)
    .option('--secret <name>', 'ask for a secret setting; may be repeated', another)
    .option(
      '--secret-file <name=file>',
      "read a secret setting from a file, '-' for standard input; may be repeated",
      assignment,
    );
}

export async function kindsOf({ client }: Session): Promise<readonly RepositoryKind[]> {
  return (await client.call<Items<RepositoryKind>>('GET', '/repository-kinds')).items;
}

/** @throws CliError */
export async function targetOf(
  session: Session,
  kind: string,
  { set = {}, secret = [], secretFile = {} }: TargetOptions,
): Promise<{ readonly settings?: object; readonly secrets?: object }> {
  const fields = (await kindsOf(session)).find((candidate) => candidate.kind === kind)?.settings;
  const settings: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(set)) {
    const field = fields?.find((candidate) => candidate.name === name);
    if (field?.secret === true) {
      throw new CliError(
        EXIT_USAGE,
        `${name} is a secret, and arguments can be seen by others: --secret ${name} asks for it, --secret-file ${name}=FILE reads it`,
      );
    }
    settings[name] = settingValue(name, text, field?.type ?? 'text');
  }
  const secrets = await secretsOf(session.io, secret, secretFile);
  return {
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
    ...(Object.keys(secrets).length === 0 ? {} : { secrets }),
  };
}

async function secretsOf(
  io: CliIo,
  asked: readonly string[],
  files: Texts,
): Promise<Readonly<Record<string, string>>> {
  const secrets: Record<string, string> = {};
  if (Object.values(files).filter((file) => file === '-').length > 1) {
    throw new CliError(EXIT_USAGE, 'only one secret can come from standard input');
  }
  for (const [name, file] of Object.entries(files))
    secrets[name] = await readSecret(io, file, name);
  for (const name of asked) secrets[name] = await askSecret(io, name);
  return secrets;
}

function settingValue(
  name: string,
  text: string,
  type: RepositoryKind['settings'][number]['type'],
) {
  switch (type) {
    case 'text':
      return text;
    case 'list':
      return text.split(',').map((item) => item.trim());
    case 'integer':
      if (/^-?\d+$/.test(text)) return Number(text);
      throw new CliError(EXIT_USAGE, `--set ${name}=${text}: a whole number is expected`);
    case 'boolean':
      if (text === 'true' || text === 'false') return text === 'true';
      throw new CliError(EXIT_USAGE, `--set ${name}=${text}: true or false is expected`);
  }
}

function assignment(text: string, before: Texts = {}): Texts {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('NAME=VALUE is expected.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
