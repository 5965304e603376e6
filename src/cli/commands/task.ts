import { Command } from 'commander';
import type { Items, Task } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { facts, table, time } from '../format.ts';
import { openSession, part } from '../session.ts';

export function taskCommand(io: CliIo): Command {
  const command = new Command('task').description('long work, such as imports');
  command
    .command('list')
    .description('all tasks, newest first')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Task>>('GET', '/tasks');
      session.show(items, listText);
    });
  command
    .command('show <id>')
    .description('one task')
    .action(async (id: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Task>('GET', `/tasks/${part(id)}`), taskText);
    });
  command
    .command('cancel <id>')
    .description('ask a task to stop')
    .action(async (id: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const task = await session.client.call<Task>('POST', `/tasks/${part(id)}/cancel`);
      session.show(task, () =>
        task.state === 'running' ? `task ${id} is being cancelled\n` : taskText(task),
      );
    });
  return command;
}

function listText(tasks: readonly Task[]): string {
  return table(
    ['id', 'kind', 'subject', 'state', 'percent', 'created'],
    tasks.map(({ id, kind, subject, state, percent, createdAt }) => [
      id,
      kind,
      subject,
      state,
      `${percent} %`,
      time(createdAt),
    ]),
  );
}

export function taskText(task: Task): string {
  const { error } = task;
  return facts([
    ['id', task.id],
    ['kind', task.kind],
    ['subject', task.subject],
    ['started by', task.actor],
    ['state', `${task.state}, ${task.percent} %`],
    ['message', error === null ? task.message : `${error.code}: ${error.message}`],
    ['created', time(task.createdAt)],
    ['ended', time(task.endedAt)],
  ]);
}
