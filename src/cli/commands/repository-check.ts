/** `rootcast repository check`: the metadata that Rootcast keeps on storage. */
import { Command } from 'commander';
import type { Task } from '../answers.ts';
import { CliError, EXIT_REFUSED, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { facts, table } from '../format.ts';
import { openSession, part } from '../session.ts';
import type { RepositoryCheck } from '../storage-answers.ts';
import { addTargetOptions, type TargetOptions, targetOf } from './repository-settings.ts';
import { given } from './setting-options.ts';
import { showTask, type Waiting } from './version.ts';

interface CheckOptions extends TargetOptions, Waiting {
  readonly kind?: string;
  readonly repair?: boolean;
  readonly force?: boolean;
}

export function checkCommand(io: CliIo): Command {
  const command = new Command('check')
    .argument('[name]', 'a repository that is not attached')
    .description('check the metadata that Rootcast keeps on a disk; exit code 1: it is damaged')
    .option('--kind <kind>', 'instead of a name: storage that is no repository of this server')
    .option('--repair', 'put right what can be put right without guessing')
    .option('--force', 'repair also what a server has attached, which is known to be dead');
  return addTargetOptions(command)
    .option('--no-wait', 'only start the task')
    .action(async (name: string | undefined, options: CheckOptions, self: Command) => {
      const session = openSession(self, io);
      const { kind, repair, force, wait } = options;
      if ((name === undefined) === (kind === undefined)) {
        throw new CliError(EXIT_USAGE, 'a name of a repository, or --kind with its settings');
      }
      const target =
        kind === undefined ? {} : { kind, ...(await targetOf(session, kind, options)) };
      const path =
        name === undefined ? '/repository-kinds/check' : `/repositories/${part(name)}/check`;
      const input = { ...target, ...given({ repair, force }) };
      const task = await session.client.call<Task>('POST', path, input);
      const what = `check ${name ?? kind}`;
      const found = await showTask<RepositoryCheck>(session, task, wait, what, checkText);
      if (found?.clean === false) throw damaged(found, repair);
    });
}

function checkText({ findings, ...report }: RepositoryCheck): string {
  const { clean, repaired, repositoryId, owner, attached, volumes, extents } = report;
  const head = facts([
    ['metadata', repaired ? 'repaired' : clean ? 'whole' : 'damaged'],
    ['repository', repositoryId ?? 'unknown'],
    ['server', owner === null ? 'unknown' : `${owner}${attached ? ', has it attached' : ''}`],
    ['volumes', String(volumes)],
    ['extents', `${extents.mapped} of ${extents.total} in use`],
  ]);
  if (findings.length === 0) return head;
  const rows = findings.map(({ severity, code, message }) => [severity, code, message]);
  return `${head}\n${table(['severity', 'code', 'what was found'], rows)}`;
}

function damaged({ findings }: RepositoryCheck, repair = false): CliError {
  const fatal = findings.some(({ severity }) => severity === 'fatal');
  if (fatal) return new CliError(EXIT_REFUSED, 'fatal damage is not repaired: nothing was changed');
  const why = repair ? 'nothing was changed' : '--repair puts it right';
  return new CliError(EXIT_REFUSED, `the metadata is damaged: ${why}`);
}
