import { Command, Option } from 'commander';
import type { Items, Replication, ReplicationPoint, Task } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession, part } from '../session.ts';
import { replicationActions } from './replication-actions.ts';
import { given, refuseNothing } from './setting-options.ts';
import { showTask, type Waiting } from './version.ts';

interface Settings {
  readonly name?: string;
  readonly description?: string;
  readonly interval?: string;
  readonly rpo?: string;
  readonly throttle?: string;
  readonly compare?: boolean;
  readonly verification?: string;
  readonly keepSource?: string;
  readonly keepTarget?: string;
}

export function replicationCommand(io: CliIo): Command {
  const command = new Command('replication').description('volumes kept in a second repository');
  command.addCommand(createCommand(io));
  command
    .command('list')
    .description('all replications')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Replication>>('GET', '/replications');
      session.show(items, listText);
    });
  command
    .command('show <name>')
    .description('one replication with its points')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `/replications/${part(name)}`;
      session.show(await session.client.call<Replication>('GET', path), replicationText);
    });
  command.addCommand(setCommand(io));
  command.addCommand(deleteCommand(io));
  command.addCommand(runCommand(io));
  for (const [verb, about] of [
    ['pause', 'send nothing until it is resumed'],
    ['resume', 'send points again, at once'],
  ] as const) {
    command
      .command(`${verb} <name>`)
      .description(about)
      .action(async (name: string, _options: object, self: Command) => {
        const session = openSession(self, io);
        const path = `/replications/${part(name)}/${verb}`;
        const replication = await session.client.call<Replication>('POST', path);
        session.show(replication, ({ state }) => `replication ${name} is ${state} now\n`);
      });
  }
  for (const action of replicationActions(io)) command.addCommand(action);
  return command;
}

function createCommand(io: CliIo): Command {
  const command = new Command('create')
    .argument('<name>', 'name of the replication')
    .argument('[volumes...]', 'REPOSITORY/VOLUME; several: points of one moment')
    .description('replicate volumes to another repository; the first point is sent at once')
    .requiredOption('--target <repository>', 'where the replica is made')
    .option('--group <name>', 'the volumes of a group')
    .option('--prefix <text>', "before the names of the replica's volumes")
    .addOption(
      new Option('--mode <mode>', "array: the arrays' own, where both have it").choices([
        'engine',
        'array',
      ]),
    );
  return addSettings(command).action(
    async (
      name: string,
      volumes: string[],
      options: Settings & {
        readonly target: string;
        readonly group?: string;
        readonly prefix?: string;
        readonly mode?: string;
      },
      self: Command,
    ) => {
      const { target, group, prefix, mode } = options;
      const session = openSession(self, io);
      const of = volumes.length === 0 ? {} : { volumes };
      const body = { name, ...of, ...given({ target, group, prefix, mode }), ...fields(options) };
      const replication = await session.client.call<Replication>('POST', '/replications', body);
      session.show(
        replication,
        () => `replication ${name} created: to ${target}, by ${engineText(replication)}\n`,
      );
    },
  );
}

function addSettings(command: Command): Command {
  return command
    .option('--description <text>', 'for people')
    .option('--interval <time>', 'a point every so often, such as 15m; none: only when asked')
    .option('--rpo <time>', 'told when what the replica has is older; none: never')
    .option('--throttle <rate>', 'bytes a second, such as 50M; none: as fast as it goes')
    .option('--compare', 'look into the replica before anything is written')
    .option('--no-compare', 'rely on the point before')
    .addOption(
      new Option('--verification <how>', 'what is read back').choices(['whole', 'sampled']),
    )
    .option('--keep-source <count>', 'points that stay on the source')
    .option('--keep-target <count>', 'points that stay on the replica');
}

function fields(options: Settings): Record<string, unknown> {
  const { description, compare, verification, keepSource, keepTarget } = options;
  return given({
    description,
    compare,
    verification,
    interval: noneOf(options.interval),
    rpo: noneOf(options.rpo),
    throttle: noneOf(options.throttle),
    keepSource: countOf(keepSource, '--keep-source'),
    keepTarget: countOf(keepTarget, '--keep-target'),
  });
}

function noneOf(text: string | undefined): string | null | undefined {
  return text === 'none' ? null : text;
}

function countOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw new CliError(EXIT_USAGE, `${option} takes a whole number, at least 1`);
}

function setCommand(io: CliIo): Command {
  const command = new Command('set')
    .argument('<name>', 'name of the replication')
    .description('change what is given, leave the rest; also while a point is being sent')
    .option('--name <name>', 'another name');
  return addSettings(command).action(async (name: string, options: Settings, self: Command) => {
    const change = refuseNothing(given({ name: options.name, ...fields(options) }));
    const session = openSession(self, io);
    const path = `/replications/${part(name)}`;
    session.show(await session.client.call<Replication>('PATCH', path, change), replicationText);
  });
}

function deleteCommand(io: CliIo): Command {
  return new Command('delete')
    .argument('<name>', 'name of the replication')
    .description('end it; the replica is a volume as of its last point from then on')
    .option('--force', 'also when the replica cannot be brought to its last point')
    .action(async (name: string, { force }: { readonly force?: boolean }, self: Command) => {
      const session = openSession(self, io);
      const query = force === true ? '?force=true' : '';
      await session.client.call('DELETE', `/replications/${part(name)}${query}`);
      session.show({ deleted: name }, () => `replication ${name} deleted\n`);
    });
}

function runCommand(io: CliIo): Command {
  return new Command('run')
    .argument('<name>', 'name of the replication')
    .description('send a point now')
    .option('--no-wait', 'only start the task')
    .action(async (name: string, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const task = await session.client.call<Task>('POST', `/replications/${part(name)}/run`);
      await showTask<{ readonly point?: number }>(
        session,
        task,
        wait,
        `replicate ${name}`,
        ({ point }) =>
          point === undefined
            ? `replication ${name}: the arrays were told to send\n`
            : `replication ${name}: point ${point} is complete\n`,
      );
    });
}

function ageText(seconds: number | null): string {
  if (seconds === null) return '-';
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

function listText(replications: readonly Replication[]): string {
  return table(
    ['name', 'state', 'source', 'target', 'volumes', 'age', 'rpo', 'next'],
    replications.map((replication) => [
      replication.name,
      replication.state,
      replication.source,
      replication.target,
      String(replication.volumes.length),
      ageText(replication.ageSeconds),
      rpoText(replication),
      time(replication.nextAt),
    ]),
  );
}

function engineText({ mode }: Replication): string {
  return mode === 'array' ? 'the arrays' : 'Rootcast';
}

function rpoText({ rpo, rpoMissed }: Replication): string {
  if (rpo === null) return '-';
  return rpoMissed ? `${rpo} (missed)` : rpo;
}

function replicationText(replication: Replication): string {
  const { throttle } = replication;
  const head = facts([
    ['name', replication.name],
    ['description', replication.description || '-'],
    ['state', replication.state],
    ['why', replication.reason ?? '-'],
    ['written', `${replication.source}${replication.reversed ? ' (reversed)' : ''}`],
    ['replica', replication.target],
    ['by', engineText(replication)],
    ['age of the replica', ageText(replication.ageSeconds)],
    ['objective', rpoText(replication)],
    ['interval', replication.interval ?? '-'],
    ['next', time(replication.nextAt)],
    ['throttle', throttle === null ? '-' : `${bytes(throttle)}/s`],
    ['points kept', `${replication.keepSource} at the source, ${replication.keepTarget} there`],
    ['read back', replication.verification],
    ['last common point', String(replication.lastCommon ?? '-')],
    ['tests', replication.tests.join(', ') || '-'],
  ]);
  const volumes = table(
    ['source', 'replica'],
    replication.volumes.map(({ source, target }) => [source, target]),
  );
  return `${head}\n${volumes}\n${pointsText(replication.points)}`;
}

function pointsText(points: readonly ReplicationPoint[]): string {
  return table(
    ['point', 'state', 'of', 'complete', 'sides', 'read', 'written', 'content'],
    points.map((point) => {
      const sum = (figure: 'read' | 'written' | 'zeroed'): number =>
        point.volumes.reduce((total, { figures }) => total + (figures?.[figure] ?? 0), 0);
      const sides = [point.onSource ? 'source' : '', point.onTarget ? 'replica' : ''];
      return [
        String(point.number),
        point.damaged ? 'damaged' : point.state,
        time(point.takenAt),
        time(point.completedAt),
        sides.filter(Boolean).join(', ') || '-',
        bytes(sum('read')),
        bytes(sum('written') + sum('zeroed')),
        point.volumes.map(({ contentId }) => contentId?.slice(0, 12) ?? '-').join(' '),
      ];
    }),
  );
}
