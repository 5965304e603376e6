import { Command } from 'commander';
import type { Changes, Task, Version } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table } from '../format.ts';
import { openSession, part } from '../session.ts';
import { showTask, type Waiting } from './version.ts';

export function changesCommand(io: CliIo): Command {
  return new Command('changes')
    .argument('<name>')
    .description('how much the write cache of a machine that is off has changed')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `/machines/${part(name)}/changes`;
      session.show(await session.client.call<Changes>('GET', path), changesText);
    });
}

export function captureCommand(io: CliIo): Command {
  return new Command('capture')
    .argument('<name>')
    .description('make a version, in test, of what a machine that is off has written')
    .option('--description <text>', 'for people')
    .option('--no-wait', 'only start the task')
    .action(
      async (
        name: string,
        { wait, ...input }: Waiting & { readonly description?: string },
        self: Command,
      ) => {
        const session = openSession(self, io);
        const path = `/machines/${part(name)}/capture`;
        const task = await session.client.call<Task>('POST', path, input);
        await showTask<Version>(
          session,
          task,
          wait,
          `capture ${name}`,
          ({ number, ownBytes }) =>
            `what ${name} wrote is version ${number}, in test: ${bytes(ownBytes)} of its own\n`,
        );
      },
    );
}

function changesText(changes: Changes): string {
  const head = facts([
    ['machine', changes.machine],
    ['stands on', `${changes.vdisk} version ${changes.version ?? '(gone)'}`],
    ['written', bytes(changes.ownedBytes)],
    ['zeroed', bytes(changes.zeroedBytes)],
    ['chunks', `${changes.changedChunks} of ${changes.chunks} changed (${changes.percent} %)`],
  ]);
  const partitions = table(
    ['partition', 'size', 'changed'],
    changes.partitions.map(({ name, size, changedBytes }) => [
      name,
      bytes(size),
      bytes(changedBytes),
    ]),
  );
  return `${head}\n${partitions}`;
}
