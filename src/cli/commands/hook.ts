/** `rootcast hook`: what is called before and after. */
import { Command, Option } from 'commander';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { table } from '../format.ts';
import { askSecret, readSecret } from '../secret-input.ts';
import { openSession, part } from '../session.ts';
import type { Hook } from '../storage-answers.ts';
import { addListShowDelete } from './host.ts';
import { given, refuseNothing } from './setting-options.ts';

const MOMENTS = [
  'before-snapshot',
  'after-snapshot',
  'before-replication',
  'after-replication',
  'before-failover',
  'after-failover',
];

interface HookOptions {
  readonly name?: string;
  readonly repository?: string;
  readonly volume?: string;
  readonly group?: string;
  readonly moment?: string;
  readonly url?: string;
  readonly token?: boolean;
  readonly tokenFile?: string;
  readonly timeout?: string;
  readonly policy?: string;
  readonly quiesces?: boolean;
  readonly enable?: boolean;
  readonly disable?: boolean;
}

export function hookCommand(io: CliIo): Command {
  const command = new Command('hook')
    .description('programs and servers that are called before and after snapshots …')
    .addHelpText(
      'after',
      `
A program is one of the service's hooks folder (DIR/hooks on its machine), with its arguments behind --.
Examples:
  rootcast hook add freeze --volume san1/database --moment before-snapshot --quiesces -- freeze.sh /srv/db
  rootcast hook add thaw --volume san1/database --moment after-snapshot -- thaw.sh /srv/db
  rootcast hook add tell --repository san1 --moment after-snapshot --url https://ops.example/hook --token`,
    );
  command.addCommand(add(io));
  command.addCommand(set(io));
  addListShowDelete<Hook>(command, io, { path: '/hooks', what: 'hook', text: hooksText });
  return command;
}

function add(io: CliIo): Command {
  const command = new Command('add')
    .argument('<name>')
    .argument('[program...]', 'name of a program of the hooks folder, and its arguments')
    .description('add a hook of a repository, a volume or a group')
    .option('--repository <repository>', 'called for every volume of it')
    .option('--volume <volume>', 'REPOSITORY/VOLUME')
    .option('--group <group>', 'called for snapshots of the group');
  command.addOption(momentOption().makeOptionMandatory());
  return addOptions(command).action(
    async (name: string, argv: readonly string[], options: HookOptions, self: Command) => {
      const session = openSession(self, io);
      const { repository, volume, group } = options;
      const changes = await fields(io, argv, options);
      const input = { ...given({ repository, volume, group }), ...changes, name };
      session.show(await session.client.call<Hook>('POST', '/hooks', input), oneHook);
    },
  );
}

function set(io: CliIo): Command {
  const command = new Command('set')
    .argument('<name>')
    .argument('[program...]', 'another program, and its arguments')
    .description('change what is given, leave the rest')
    .option('--name <name>', 'another name')
    .addOption(momentOption());
  addOptions(command);
  // Behind --quiesces: else it would be true unless given.
  command.option('--no-quiesces', 'what it does makes no snapshot consistent');
  return command.action(
    async (name: string, argv: readonly string[], options: HookOptions, self: Command) => {
      const changes = await fields(io, argv, options);
      const change = refuseNothing(given({ name: options.name, ...changes }));
      const session = openSession(self, io);
      const path = `/hooks/${part(name)}`;
      session.show(await session.client.call<Hook>('PATCH', path, change), oneHook);
    },
  );
}

function momentOption(): Option {
  return new Option('--moment <moment>', 'when it is called').choices(MOMENTS);
}

function addOptions(command: Command): Command {
  return command
    .option('--url <url>', 'a server that is sent JSON, in place of a program')
    .option('--token', 'ask for a bearer token for that server')
    .addOption(
      new Option('--token-file <file>', "read it from a file, '-' for standard input").conflicts(
        'token',
      ),
    )
    .option('--timeout <time>', 'such as 30s or 5m; 30s unless given')
    .addOption(
      new Option('--policy <policy>', 'when it fails: abort unless given').choices([
        'abort',
        'continue',
      ]),
    )
    .option('--quiesces', 'what it does makes a snapshot consistent for its applications')
    .option('--enable', 'it is called')
    .addOption(new Option('--disable', 'it is not called').conflicts('enable'));
}

async function fields(
  io: CliIo,
  argv: readonly string[],
  options: HookOptions,
): Promise<Record<string, unknown>> {
  const { moment, url, timeout, policy, quiesces, enable, disable } = options;
  if (argv.length > 0 && url !== undefined) {
    throw new CliError(EXIT_USAGE, 'a hook has a program or --url, not both');
  }
  return given({
    moment,
    argv: argv.length === 0 ? undefined : argv,
    url,
    token: await tokenOf(io, options),
    timeout,
    policy,
    quiesces,
    enabled: enable ?? (disable === true ? false : undefined),
  });
}

async function tokenOf(io: CliIo, { token, tokenFile }: HookOptions): Promise<string | undefined> {
  if (tokenFile !== undefined) return readSecret(io, tokenFile, 'the token');
  return token === true ? askSecret(io, 'token') : undefined;
}

function hooksText(hooks: readonly Hook[]): string {
  return table(
    ['name', 'of', 'moment', 'calls', 'timeout', 'fails', 'quiesces', 'state'],
    hooks.map((hook) => [
      hook.name,
      hook.volume ?? (hook.group === null ? (hook.repository ?? '-') : `group ${hook.group}`),
      hook.moment,
      hook.argv === null ? `${hook.url}${hook.tokenSet ? ' (token)' : ''}` : hook.argv.join(' '),
      hook.timeout,
      hook.policy,
      hook.quiesces ? 'yes' : 'no',
      hook.enabled ? 'enabled' : 'disabled',
    ]),
  );
}

const oneHook = (hook: Hook): string => hooksText([hook]);
