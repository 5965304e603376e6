import { Command } from 'commander';
import type { Task } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { openSession } from '../session.ts';
import type { Volume } from '../storage-answers.ts';
import { given } from './setting-options.ts';
import { showTask, type Waiting } from './version.ts';
import { volumeText } from './volume-text.ts';

interface CloneOptions extends Waiting {
  readonly full?: boolean;
  readonly to?: string;
  readonly description?: string;
}

/** @param source for the help. @param pathOf of the source, from what was given; throws CliError */
export function cloneCommand(io: CliIo, source: string, pathOf: (text: string) => string): Command {
  return new Command('clone')
    .argument('<source>', source)
    .argument('<name>', 'of the new volume')
    .description('make a volume of it')
    .option('--full', 'with blocks of its own; otherwise it shares those of its source')
    .option('--to <repository>', 'in another repository, always in full')
    .option('--description <text>', 'for people')
    .option('--no-wait', 'only start the task')
    .action(async (text: string, name: string, options: CloneOptions, self: Command) => {
      const path = `${pathOf(text)}/clone`;
      const session = openSession(self, io);
      const { full, to: repository, description, wait } = options;
      const kind = full === true ? 'full' : undefined;
      const input = given({ name, kind, repository, description });
      const task = await session.client.call<Task>('POST', path, input);
      await showTask<Volume>(session, task, wait, `clone ${name}`, volumeText);
    });
}
