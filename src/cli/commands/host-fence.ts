/** `rootcast host fence`, `unfence` and `fences`: hosts that are cut off from a repository. */
import { Command } from 'commander';
import type { Items } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { table } from '../format.ts';
import { openSession, part } from '../session.ts';
import type { Fence } from '../storage-answers.ts';

export function fenceCommands(io: CliIo): readonly Command[] {
  return [
    change(
      io,
      'fence',
      'cut a host off from a repository at once, whatever it has open',
      'cut off from',
    ),
    change(io, 'unfence', 'let it in again: what it had open stays ended', 'let into'),
    list(io),
  ];
}

function change(io: CliIo, verb: 'fence' | 'unfence', what: string, done: string): Command {
  return new Command(verb)
    .argument('<name>')
    .description(what)
    .requiredOption('--repository <repository>', 'from which')
    .action(async (name: string, { repository }: { repository: string }, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('POST', `/hosts/${part(name)}/${verb}`, { repository });
      const text = `host ${name} is ${done} repository ${repository}\n`;
      session.show({ host: name, repository, fenced: verb === 'fence' }, () => text);
    });
}

function list(io: CliIo): Command {
  return new Command('fences')
    .description('who is cut off from a repository, as the storage says')
    .requiredOption('--repository <repository>', 'which')
    .action(async ({ repository }: { repository: string }, self: Command) => {
      const session = openSession(self, io);
      const path = `/repositories/${part(repository)}/fences`;
      session.show((await session.client.call<Items<Fence>>('GET', path)).items, fencesText);
    });
}

function fencesText(fences: readonly Fence[]): string {
  return table(
    ['cut off', 'hosts'],
    fences.map(({ who, hosts }) => [who, hosts.join(', ') || '-']),
  );
}
