import { Command, InvalidArgumentError } from 'commander';
import type { EventEntry, Items, Lease, Status } from '../answers.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, duration, facts, table, time } from '../format.ts';
import { DEFAULT_EVENTS_SHOWN } from '../limits.ts';
import { openSession, part } from '../session.ts';

interface EventOptions {
  readonly limit: number;
  readonly subject?: string;
}

export function eventsCommand(io: CliIo): Command {
  return new Command('events')
    .description('what happened, newest last')
    .option('--limit <count>', 'how many', positive, DEFAULT_EVENTS_SHOWN)
    .option('--subject <subject>', 'about one thing only, e.g. machine/NAME')
    .action((options: EventOptions, self: Command) => showEvents(self, io, options, 'anyone'));
}

export function auditCommand(io: CliIo): Command {
  return new Command('audit')
    .description('what people did, newest last')
    .option('--limit <count>', 'how many', positive, DEFAULT_EVENTS_SHOWN)
    .option('--subject <subject>', 'to one thing only, e.g. machine/NAME')
    .action((options: EventOptions, self: Command) => showEvents(self, io, options, 'people'));
}

async function showEvents(
  command: Command,
  io: CliIo,
  { limit, subject }: EventOptions,
  actor: 'anyone' | 'people',
): Promise<void> {
  const session = openSession(command, io);
  const about = subject === undefined ? '' : `&subject=${part(subject)}`;
  const path = `/events?limit=${limit}&actor=${actor}${about}`;
  const { items } = await session.client.call<Items<EventEntry>>('GET', path);
  session.show(items.toReversed(), eventsText);
}

export function leasesCommand(io: CliIo): Command {
  return new Command('leases')
    .description('addresses given out by DHCP in full mode')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Lease>>('GET', '/leases');
      session.show(items, leasesText);
    });
}

export function statusCommand(io: CliIo): Command {
  return new Command('status')
    .description('the service at a glance')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Status>('GET', '/status'), statusText);
    });
}

function positive(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a number above zero is expected');
}

function eventsText(events: readonly EventEntry[]): string {
  return table(
    ['time', 'actor', 'kind', 'subject', 'message'],
    events.map(({ at, actor, kind, subject, message }) => [
      time(at),
      actor,
      kind,
      subject,
      message,
    ]),
  );
}

function leasesText(leases: readonly Lease[]): string {
  return table(
    ['address', 'mac', 'machine', 'state', 'expires'],
    leases.map(({ ip, mac, machine, state, expiresAt }) => [
      ip,
      mac,
      machine ?? '-',
      state,
      time(expiresAt),
    ]),
  );
}

function statusText(status: Status): string {
  const { machines, readCache, space } = status;
  const lookups = readCache.hits + readCache.misses;
  const hitRate = lookups === 0 ? '' : `, ${Math.floor((readCache.hits / lookups) * 100)} % hits`;
  return facts([
    ['server', `${status.server}, Rootcast ${status.version}`],
    ['up', `${duration(status.uptimeMs)}, since ${time(status.startedAt)}`],
    ['vdisks', String(status.vdisks)],
    [
      'machines',
      `${machines.total} (${machines.running} running, ${machines.booting} booting, ${machines.off} off)`,
    ],
    ['waiting for approval', String(status.enrolmentsWaiting)],
    ['tasks running', String(status.tasksRunning)],
    ['nbd', `${status.connections} connections on ${status.workers} workers`],
    ['read cache', `${bytes(readCache.bytes)} of ${bytes(readCache.bytesMax)}${hitRate}`],
    ['space', `${bytes(space.freeBytes)} free of ${bytes(space.totalBytes)}`],
  ]);
}
