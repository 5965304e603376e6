/** `rootcast xen-user`: who may log in to XenAPI. */
import { Command, Option } from 'commander';
import type { Items, XenUser } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { table, time } from '../format.ts';
import { askSecret, readSecret } from '../secret-input.ts';
import { openSession, part } from '../session.ts';
import { given, refuseNothing } from './setting-options.ts';

const PATH = '/xen-users';
const ROLES = [
  ...['read-only', 'vm-operator', 'vm-admin'],
  ...['vm-power-admin', 'pool-operator', 'pool-admin'],
];

interface UserOptions {
  readonly role?: string;
  readonly password?: boolean;
  readonly passwordFile?: string;
  readonly enable?: boolean;
  readonly disable?: boolean;
}

export function xenUserCommand(io: CliIo): Command {
  const command = new Command('xen-user')
    .description('users of XenAPI, beside root, whose password is the token of the API')
    .addHelpText(
      'after',
      `
Examples:
  rootcast xen-user add backup --role vm-admin
  rootcast xen-user add monitor --role read-only --password-file -
  rootcast xen-user set backup --password
  rootcast xen-user set backup --disable`,
    );
  for (const sub of [add(io), list(io), show(io), set(io), remove(io)]) command.addCommand(sub);
  return command;
}

function add(io: CliIo): Command {
  return new Command('add')
    .argument('<name>')
    .description('add a user; asks for its password')
    .addOption(roleOption().makeOptionMandatory())
    .addOption(passwordFileOption())
    .option('--disable', 'it cannot log in yet')
    .action(async (name: string, options: UserOptions, self: Command) => {
      const session = openSession(self, io);
      const { role, passwordFile: file, disable } = options;
      const password =
        file === undefined ? await askTwice(io) : await readSecret(io, file, 'the password');
      const enabled = disable === true ? false : undefined;
      const input = given({ name, role, password, enabled });
      session.show(await session.client.call<XenUser>('POST', PATH, input), oneUser);
    });
}

function set(io: CliIo): Command {
  return new Command('set')
    .argument('<name>')
    .description('change what is given, leave the rest; its sessions follow at once')
    .addOption(roleOption())
    .option('--password', 'ask for another password')
    .addOption(passwordFileOption().conflicts('password'))
    .option('--enable', 'it may log in')
    .addOption(new Option('--disable', 'it may not').conflicts('enable'))
    .action(async (name: string, options: UserOptions, self: Command) => {
      const session = openSession(self, io);
      const { role, enable, disable } = options;
      const password = await otherPassword(io, options);
      const enabled = enable ?? (disable === true ? false : undefined);
      const change = refuseNothing(given({ role, password, enabled }));
      const path = `${PATH}/${part(name)}`;
      session.show(await session.client.call<XenUser>('PATCH', path, change), oneUser);
    });
}

function list(io: CliIo): Command {
  return new Command('list')
    .description('all users')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      session.show((await session.client.call<Items<XenUser>>('GET', PATH)).items, usersText);
    });
}

function show(io: CliIo): Command {
  return new Command('show')
    .argument('<name>')
    .description('one user')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<XenUser>('GET', `${PATH}/${part(name)}`), oneUser);
    });
}

function remove(io: CliIo): Command {
  return new Command('remove')
    .argument('<name>')
    .description('remove a user; its sessions end')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', `${PATH}/${part(name)}`);
      session.show({ removed: name }, () => `XenAPI user ${name} removed\n`);
    });
}

function roleOption(): Option {
  return new Option('--role <role>', 'each may what those before it may').choices(ROLES);
}

function passwordFileOption(): Option {
  return new Option('--password-file <file>', "read it from a file, '-' for standard input");
}

/** @throws CliError EXIT_USAGE */
async function askTwice(io: CliIo): Promise<string> {
  const password = await askSecret(io, 'password');
  if ((await askSecret(io, 'the same again')) === password) return password;
  throw new CliError(EXIT_USAGE, 'the two passwords differ');
}

async function otherPassword(
  io: CliIo,
  { password, passwordFile }: UserOptions,
): Promise<string | undefined> {
  if (passwordFile !== undefined) return readSecret(io, passwordFile, 'the password');
  return password === true ? askTwice(io) : undefined;
}

function usersText(users: readonly XenUser[]): string {
  return table(
    ['name', 'role', 'state', 'last login'],
    users.map((user) => [user.name, user.role, stateText(user), time(user.lastLoginAt)]),
  );
}

function stateText({ enabled, builtIn }: XenUser): string {
  if (builtIn) return 'built in';
  return enabled ? 'enabled' : 'disabled';
}

const oneUser = (user: XenUser): string => usersText([user]);
