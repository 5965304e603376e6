import { Command } from 'commander';
import type { Items, Replicated, Task, VdiskReplica } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, table } from '../format.ts';
import { openSession, part } from '../session.ts';
import { showTask, type Waiting } from './version.ts';

const pathOf = (name: string): string => `/vdisks/${part(name)}/replicas`;

export function replicateCommand(io: CliIo): Command {
  return new Command('replicate')
    .argument('<name>')
    .description('copy all layers to another repository, and what is sealed later as well')
    .requiredOption('--to <repository>', 'where the copies are made')
    .option('--no-wait', 'only start the task')
    .action(async (name: string, { wait, to }: Waiting & { to: string }, self: Command) => {
      const session = openSession(self, io);
      const task = await session.client.call<Task>('POST', pathOf(name), { repository: to });
      await showTask<Replicated>(
        ...[session, task, wait, `replicate ${name}`],
        ({ layers, bytes: copied }) =>
          `vDisk ${name} is in ${to} as well: ${layers} layers copied (${bytes(copied)})\n`,
      );
    });
}

export function replicasCommand(io: CliIo): Command {
  return new Command('replicas')
    .argument('<name>')
    .description('repositories that have copies of its layers, and what they lack')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<VdiskReplica>>('GET', pathOf(name));
      session.show(items, replicasText);
    });
}

export function unreplicateCommand(io: CliIo): Command {
  return new Command('unreplicate')
    .argument('<name>')
    .description('delete the copies that are in a repository')
    .requiredOption('--from <repository>', 'where they are')
    .action(async (name: string, { from }: { from: string }, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', `${pathOf(name)}/${part(from)}`);
      const done = { vdisk: name, unreplicated: from };
      session.show(done, () => `vDisk ${name} is not in ${from} any more\n`);
    });
}

function replicasText(replicas: readonly VdiskReplica[]): string {
  return table(
    ['repository', 'state', 'layers', 'missing', 'bytes missing', 'attached', 'serves'],
    replicas.map((replica) => [
      replica.repository,
      replica.state,
      String(replica.layers),
      String(replica.layersMissing),
      bytes(replica.bytesMissing),
      replica.repositoryState === 'attached' ? 'yes' : replica.repositoryState,
      replica.serves ? 'yes' : 'no',
    ]),
  );
}
