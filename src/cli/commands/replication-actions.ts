/** What is done with a replica: failovers, the ways back, tests and proofs. */
import { Command } from 'commander';
import type { ReplicaProof, Task } from '../answers.ts';
import { CliError, EXIT_REFUSED, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes } from '../format.ts';
import { openSession, part, type Session } from '../session.ts';
import { given } from './setting-options.ts';
import { showTask, type Waiting } from './version.ts';

export function replicationActions(io: CliIo): readonly Command[] {
  return [failover(io), reverse(io), resync(io), testFailover(io), verify(io)];
}

function start(session: Session, name: string, verb: string, body?: object): Promise<Task> {
  const path = `/replications/${part(name)}/${verb}`;
  return session.client.call<Task>('POST', path, ...(body === undefined ? [] : [body]));
}

function action(verb: string, about: string): Command {
  return new Command(verb)
    .argument('<name>', 'name of the replication')
    .description(about)
    .option('--no-wait', 'only start the task');
}

function failover(io: CliIo): Command {
  return action('failover', 'the replica becomes the side that is written')
    .option('--force', 'without the source: what was not sent yet is lost, unless it comes back')
    .action(
      async (name: string, options: Waiting & { readonly force?: boolean }, self: Command) => {
        const session = openSession(self, io);
        const { wait, force } = options;
        const task = await start(session, name, 'failover', given({ force }));
        await showTask<{ readonly point?: number }>(
          session,
          task,
          wait,
          `fail over ${name}`,
          ({ point }) => {
            const at = point === undefined ? '' : ` at point ${point}`;
            return `replication ${name} is failed over${at}: its replica is written from now on\n`;
          },
        );
      },
    );
}

function reverse(io: CliIo): Command {
  return action('reverse', 'after a failover: replicate the other way').action(
    async (name: string, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const task = await start(session, name, 'reverse');
      const text = (): string => `replication ${name} goes the other way now\n`;
      await showTask(session, task, wait, `reverse ${name}`, text);
    },
  );
}

function resync(io: CliIo): Command {
  return action('resync', 'throw away what one side holds and the other has not')
    .requiredOption('--discard <repository>', 'the side whose changes are thrown away')
    .action(
      async (name: string, options: Waiting & { readonly discard: string }, self: Command) => {
        const session = openSession(self, io);
        const { wait, discard } = options;
        const task = await start(session, name, 'resync', { discard });
        const text = (): string => `replication ${name}: ${discard} has what the other side has\n`;
        await showTask(session, task, wait, `resync ${name}`, text);
      },
    );
}

function pointOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw new CliError(EXIT_USAGE, '--point takes the number of a point');
}

function testFailover(io: CliIo): Command {
  return action('test-failover', 'clones of a point of the replica, which is not touched')
    .requiredOption('--prefix <text>', 'before the names of the clones')
    .option('--full', 'copies that stand on nothing')
    .option('--point <number>', 'the newest unless given')
    .action(
      async (
        name: string,
        options: Waiting & {
          readonly prefix: string;
          readonly full?: boolean;
          readonly point?: string;
        },
        self: Command,
      ) => {
        const { wait, prefix, full, point } = options;
        const kind = full === true ? 'full' : undefined;
        const body = given({ prefix, kind, point: pointOf(point) });
        const session = openSession(self, io);
        const task = await start(session, name, 'test-failover', body);
        await showTask<{ readonly volumes: readonly string[] }>(
          session,
          task,
          wait,
          `test ${name}`,
          ({ volumes }) => `${volumes.join('\n')}\n`,
        );
      },
    );
}

function verify(io: CliIo): Command {
  return action('verify', 'read all of a point and compare it with what was sent')
    .option('--point <number>', 'the newest unless given')
    .option('--source', 'read the source too')
    .action(
      async (
        name: string,
        options: Waiting & { readonly point?: string; readonly source?: boolean },
        self: Command,
      ) => {
        const { wait, point, source } = options;
        const body = given({ point: pointOf(point), source });
        const session = openSession(self, io);
        const task = await start(session, name, 'verify', body);
        const proof = await showTask<ReplicaProof>(
          session,
          task,
          wait,
          `verify ${name}`,
          (found) => (found.volumes.every(({ same }) => same) ? proofText(found) : ''),
        );
        const wrong = proof?.volumes.filter(({ same }) => !same) ?? [];
        if (wrong.length === 0) return;
        const told = wrong.map(({ repository, volume }) => `${repository}/${volume}`).join(', ');
        throw new CliError(EXIT_REFUSED, `point ${proof?.point} is not what was sent: ${told}`);
      },
    );
}

function proofText({ point, volumes }: ReplicaProof): string {
  return volumes
    .map(
      ({ repository, volume, contentId, read }) =>
        `point ${point} in ${repository}/${volume} is what was sent (${bytes(read)}, ${contentId.slice(0, 12)})\n`,
    )
    .join('');
}
