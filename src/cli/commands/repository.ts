/** `rootcast repository`: storage as a place for volumes. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Items, Task } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { openSession, part } from '../session.ts';
import type { Health, Probe, Repository } from '../storage-answers.ts';
import { checkCommand } from './repository-check.ts';
import { addTargetOptions, kindsOf, type TargetOptions, targetOf } from './repository-settings.ts';
import {
  healthText,
  kindsText,
  kindText,
  probeText,
  repositoriesText,
  repositoryText,
} from './repository-text.ts';
import { given, refuseNothing } from './setting-options.ts';
import { showTask, type Waiting } from './version.ts';

interface KindOptions extends TargetOptions {
  readonly kind: string;
}

interface CommonOptions extends TargetOptions {
  readonly description?: string;
  readonly warning?: number;
  readonly critical?: number;
}

export function repositoryCommand(io: CliIo): Command {
  const command = new Command('repository')
    .description('storage (local folders, NFS, iSCSI, SAN, Ceph …) as a place for volumes')
    .addHelpText(
      'after',
      `
Examples:
  rootcast repository kinds
  rootcast repository probe --kind iscsi --set target=192.0.2.7
  rootcast repository create san1 --kind iscsi --set target=192.0.2.7 --set targetIQN=iqn.2026-01.com.example:t1 \\
      --set chapuser=rack7 --secret chappassword
  rootcast repository show san1`,
    );
  for (const build of [kinds, probe, create, list, show, health, set]) {
    command.addCommand(build(io));
  }
  for (const build of [refresh, checkCommand, attach, detach, forget, remove])
    command.addCommand(build(io));
  return command;
}

function kinds(io: CliIo): Command {
  return new Command('kinds')
    .argument('[kind]', 'only this one, with its settings')
    .description('kinds of storage, and the settings that each takes')
    .action(async (kind: string | undefined, _options: object, self: Command) => {
      const session = openSession(self, io);
      const all = await kindsOf(session);
      if (kind === undefined) {
        session.show(all, kindsText);
        return;
      }
      const one = all.find((candidate) => candidate.kind === kind);
      if (one === undefined) {
        const names = all.map((candidate) => candidate.kind).join(', ');
        throw new CliError(EXIT_USAGE, `there is no kind ${kind}; one of ${names}`);
      }
      session.show(one, kindText);
    });
}

function probe(io: CliIo): Command {
  const command = new Command('probe')
    .description('look for storage, one step further each time; changes nothing')
    .requiredOption('--kind <kind>', 'kind of storage (repository kinds)');
  return addTargetOptions(command).action(async (options: KindOptions, self: Command) => {
    const session = openSession(self, io);
    const { kind } = options;
    const input = { kind, ...(await targetOf(session, kind, options)) };
    const found = await session.client.call<Probe>('POST', '/repository-kinds/probe', input);
    session.show(found, (answer) => probeText(answer, kind, options));
  });
}

interface CreateOptions extends CommonOptions, Waiting {
  readonly kind: string;
  readonly existing?: string;
  readonly takeOver?: string;
}

function create(io: CliIo): Command {
  const command = new Command('create')
    .argument('<name>', 'what it is to be called')
    .description('attach storage as a repository')
    .requiredOption('--kind <kind>', 'kind of storage (repository kinds)')
    .option('--existing <id>', 'it is a repository of ours already: the id that probe shows')
    .addOption(
      new Option(
        '--take-over <id>',
        'the same, and another server had it: that one is shut out',
      ).conflicts('existing'),
    );
  addCommonOptions(addTargetOptions(command));
  return command
    .option('--no-wait', 'only start the task')
    .action(async (name: string, options: CreateOptions, self: Command) => {
      const session = openSession(self, io);
      const { kind, existing, takeOver, wait } = options;
      const input = {
        name,
        kind,
        ...(await targetOf(session, kind, options)),
        ...commonFields(options),
        ...given({
          mode: takeOver === undefined ? existing && 'existing' : 'take-over',
          repositoryId: takeOver ?? existing,
        }),
      };
      const task = await session.client.call<Task>('POST', '/repositories', input);
      await showTask<Repository>(session, task, wait, `attach ${name}`, repositoryText);
    });
}

function addCommonOptions(command: Command): Command {
  return command
    .option('--description <text>', 'for people')
    .option('--warning <percent>', 'tell when so much of its space is in use', percent)
    .option('--critical <percent>', 'the same, urgently', percent);
}

function commonFields({ description, warning, critical }: CommonOptions): Record<string, unknown> {
  return given({ description, warningPercent: warning, criticalPercent: critical });
}

function percent(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100) return value;
  throw new InvalidArgumentError('Percent, 1 to 100.');
}

function list(io: CliIo): Command {
  return new Command('list')
    .description('all repositories')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Repository>>('GET', '/repositories');
      session.show(items, repositoriesText);
    });
}

function show(io: CliIo): Command {
  return new Command('show')
    .argument('<name>')
    .description('one repository, and what it can do')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Repository>('GET', pathOf(name)), repositoryText);
    });
}

function health(io: CliIo): Command {
  return new Command('health')
    .argument('<name>')
    .description('ask the storage how it is, and how full')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Health>('GET', `${pathOf(name)}/health`), healthText);
    });
}

function refresh(io: CliIo): Command {
  return new Command('refresh')
    .argument('<name>')
    .description('ask how large the storage is by now, and use what it has grown by')
    .addHelpText(
      'after',
      '\nThe server does so by itself, every half minute or when the storage tells it.',
    )
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `${pathOf(name)}/refresh`;
      session.show(await session.client.call<Repository>('POST', path), repositoryText);
    });
}

function set(io: CliIo): Command {
  const command = new Command('set')
    .argument('<name>')
    .description('change what is given, leave the rest')
    .option('--name <name>', 'another name');
  addCommonOptions(addTargetOptions(command));
  return command
    .option('--unset-secret <name>', 'remove a secret setting')
    .addHelpText(
      'after',
      '\n--set replaces one setting; settings and secrets are changed while it is detached.',
    )
    .action(
      async (
        name: string,
        options: CommonOptions & { name?: string; unsetSecret?: string },
        self: Command,
      ) => {
        const session = openSession(self, io);
        const before = await session.client.call<Repository>('GET', pathOf(name));
        const { settings, secrets } = await targetOf(session, before.kind, options);
        const { unsetSecret } = options;
        const removed = unsetSecret === undefined ? {} : { [unsetSecret]: null };
        const change = refuseNothing(
          given({
            name: options.name,
            ...commonFields(options),
            settings: settings === undefined ? undefined : { ...before.settings, ...settings },
            secrets:
              secrets === undefined && unsetSecret === undefined
                ? undefined
                : { ...secrets, ...removed },
          }),
        );
        const changed = await session.client.call<Repository>('PATCH', pathOf(name), change);
        session.show(changed, repositoryText);
      },
    );
}

function attach(io: CliIo): Command {
  return new Command('attach')
    .argument('<name>')
    .description('attach one that was detached')
    .option('--take-over', 'another server has taken it meanwhile: that one is shut out')
    .option('--no-wait', 'only start the task')
    .action(
      async (name: string, { wait, takeOver }: Waiting & { takeOver?: boolean }, self: Command) => {
        const session = openSession(self, io);
        const path = `${pathOf(name)}/attach`;
        const task = await session.client.call<Task>('POST', path, given({ takeOver }));
        await showTask<Repository>(session, task, wait, `attach ${name}`, repositoryText);
      },
    );
}

function detach(io: CliIo): Command {
  return new Command('detach')
    .argument('<name>')
    .description('let go of it; nothing on the storage changes')
    .option('--force', 'also while volumes of it are open')
    .action(async (name: string, { force }: { force?: boolean }, self: Command) => {
      const session = openSession(self, io);
      const path = `${pathOf(name)}/detach`;
      const detached = await session.client.call<Repository>('POST', path, given({ force }));
      session.show(detached, () => `repository ${name} is detached\n`);
    });
}

function forget(io: CliIo): Command {
  return new Command('forget')
    .argument('<name>')
    .description('forget a detached one with its volumes; on the storage everything stays')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('POST', `${pathOf(name)}/forget`);
      session.show({ forgotten: name }, () => `repository ${name} is forgotten\n`);
    });
}

function remove(io: CliIo): Command {
  return new Command('delete')
    .argument('<name>')
    .description('delete an empty repository')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', pathOf(name));
      session.show({ deleted: name }, () => `repository ${name} deleted\n`);
    });
}

function pathOf(name: string): string {
  return `/repositories/${part(name)}`;
}
