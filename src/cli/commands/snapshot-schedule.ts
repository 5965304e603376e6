/** `rootcast snapshot-schedule`: snapshots that are taken by themselves. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Task } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { table, time } from '../format.ts';
import { openSession, part } from '../session.ts';
import type { Schedule, ScheduleRun } from '../storage-answers.ts';
import { addListShowDelete } from './host.ts';
import { another, given, refuseNothing } from './setting-options.ts';
import { showTask, type Waiting } from './version.ts';

interface ScheduleOptions {
  readonly name?: string;
  readonly volume?: readonly string[];
  readonly group?: string;
  readonly every?: string;
  readonly at?: string;
  readonly keep?: Readonly<Record<string, number>>;
  readonly prefix?: string;
  readonly description?: string;
  readonly enable?: boolean;
  readonly disable?: boolean;
}

export function snapshotScheduleCommand(io: CliIo): Command {
  const command = new Command('snapshot-schedule')
    .description('snapshots that are taken by themselves, and how long they stay')
    .addHelpText(
      'after',
      `
Examples:
  rootcast snapshot-schedule add hourly --volume san1/database --every 1h --keep hourly=24,daily=7,weekly=4
  rootcast snapshot-schedule add nightly --group shop --at '30 2 * * mon-fri' --keep last=10
Times of --at are UTC: minute, hour, day of the month, month, day of the week.`,
    );
  const add = new Command('add').argument('<name>').description('add a schedule');
  addOptions(add).action(async (name: string, options: ScheduleOptions, self: Command) => {
    const session = openSession(self, io);
    const input = { ...fields(options), name };
    session.show(await session.client.call<Schedule>('POST', '/snapshot-schedules', input), one);
  });
  const set = new Command('set')
    .argument('<name>')
    .description('change what is given, leave the rest')
    .option('--name <name>', 'another name');
  addOptions(set).action(async (name: string, options: ScheduleOptions, self: Command) => {
    const change = refuseNothing(given({ name: options.name, ...fields(options) }));
    const session = openSession(self, io);
    const path = `/snapshot-schedules/${part(name)}`;
    session.show(await session.client.call<Schedule>('PATCH', path, change), one);
  });
  for (const sub of [add, set, run(io)]) command.addCommand(sub);
  const rest = { path: '/snapshot-schedules', what: 'snapshot schedule', text: schedulesText };
  addListShowDelete<Schedule>(command, io, rest);
  return command;
}

function run(io: CliIo): Command {
  return new Command('run')
    .argument('<name>')
    .description('run it now, beside its own times')
    .option('--no-wait', 'only start the task')
    .action(async (name: string, { wait }: Waiting, self: Command) => {
      const session = openSession(self, io);
      const path = `/snapshot-schedules/${part(name)}/run`;
      const task = await session.client.call<Task>('POST', path);
      await showTask<ScheduleRun>(session, task, wait, `run ${name}`, runText);
    });
}

function addOptions(command: Command): Command {
  return command
    .option('--volume <volume>', 'REPOSITORY/VOLUME; may be repeated', another)
    .addOption(new Option('--group <group>', 'all volumes of a group').conflicts('volume'))
    .option('--every <interval>', 'such as 15m, 1h, 1d')
    .addOption(
      new Option('--at <times>', "as cron has them, in UTC: '0 2 * * *'").conflicts('every'),
    )
    .option(
      '--keep <counts>',
      'how many stay: any of last, hourly, daily, weekly, monthly, as hourly=24,daily=7',
      counts,
    )
    .option('--prefix <prefix>', 'names are PREFIX-TIME; its own name unless given')
    .option('--description <text>', 'for people')
    .option('--enable', 'it takes snapshots')
    .addOption(new Option('--disable', 'it takes none').conflicts('enable'));
}

function fields(options: ScheduleOptions): Record<string, unknown> {
  const { volume, group, every, at, keep, prefix, description, enable, disable } = options;
  const enabled = enable ?? (disable === true ? false : undefined);
  return given({ volumes: volume, group, every, at, keep, prefix, description, enabled });
}

function counts(text: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    text.split(',').map((item) => {
      const [sort = '', count = '', more] = item.trim().split('=');
      if (sort !== '' && /^\d{1,5}$/.test(count) && more === undefined)
        return [sort, Number(count)];
      throw new InvalidArgumentError('such as last=3,hourly=24,daily=7 is expected.');
    }),
  );
}

function schedulesText(schedules: readonly Schedule[]): string {
  return table(
    ['name', 'of', 'when', 'keeps', 'next', 'last', 'state'],
    schedules.map((schedule) => [
      schedule.name,
      schedule.group === null ? schedule.volumes.join(', ') : `group ${schedule.group}`,
      schedule.at === null ? `every ${schedule.every}` : schedule.at,
      Object.entries(schedule.keep)
        .map(([sort, count]) => `${sort}=${count}`)
        .join(' ') || 'all',
      time(schedule.nextAt),
      time(schedule.lastAt),
      schedule.running ? 'running' : schedule.enabled ? 'enabled' : 'disabled',
    ]),
  );
}

const one = (schedule: Schedule): string => schedulesText([schedule]);

function runText({ taken, deleted, kept }: ScheduleRun): string {
  return [
    ...taken.map((name) => `${name} taken`),
    ...deleted.map((name) => `${name} deleted`),
    ...kept.map(({ snapshot, reason }) => `${snapshot} could not be deleted: ${reason}`),
    '',
  ].join('\n');
}
