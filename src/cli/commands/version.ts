import { Command, Option } from 'commander';
import type { Items, Task, Vdisk, Version } from '../answers.ts';
import { refused } from '../api-client.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession, part, type Session } from '../session.ts';
import { waitForTask } from '../wait-for-task.ts';
import { parseReleaseTime } from './release-time.ts';
import { taskText } from './task.ts';
import { parseVersion } from './version-number.ts';
import { traceCommand } from './version-trace.ts';

export function versionCommand(io: CliIo): Command {
  const command = new Command('version').description(
    'versions of a vDisk: maintenance, test, production',
  );
  for (const build of [list, show, create, seal, promote, demote, merge, set, remove]) {
    command.addCommand(build(io));
  }
  command.addCommand(traceCommand(io));
  return command;
}

function list(io: CliIo): Command {
  return new Command('list')
    .argument('<vdisk>')
    .description('the versions of a vDisk')
    .action(async (vdisk: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `/vdisks/${part(vdisk)}/versions`;
      const { items } = await session.client.call<Items<Version>>('GET', path);
      session.show(items, versionsText);
    });
}

function show(io: CliIo): Command {
  return onVersion('show')
    .description('one version, and what can be done with it')
    .action(async (vdisk: string, number: number, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Version>('GET', pathOf(vdisk, number)), versionText);
    });
}

function create(io: CliIo): Command {
  return new Command('create')
    .argument('<vdisk>')
    .description(
      'begin a version in maintenance: the next maintenance machine that boots writes it',
    )
    .option('--from <number>', 'the version to begin from; the newest unless given', parseVersion)
    .option('--description <text>', 'for people')
    .option('--private', 'one machine writes the vDisk, and no other boots it meanwhile')
    .action(async (vdisk: string, options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `/vdisks/${part(vdisk)}/versions`;
      const version = await session.client.call<Version>('POST', path, options);
      session.show(
        version,
        () =>
          `version ${version.number} of ${vdisk} is in maintenance, made from version ${version.parent}\n`,
      );
    });
}

function seal(io: CliIo): Command {
  return onVersion('seal')
    .description('end maintenance: what was written is the version, in test')
    .option('--no-wait', 'only start the task')
    .action(async (vdisk: string, number: number, { wait }: Waiting, self: Command) => {
      await sealAndShow(openSession(self, io), vdisk, number, wait);
    });
}

async function sealAndShow(
  session: Session,
  vdisk: string,
  number: number,
  wait: boolean,
): Promise<void> {
  const task = await session.client.call<Task>('POST', `${pathOf(vdisk, number)}/seal`);
  await showTask<Version>(session, task, wait, `seal ${vdisk} ${number}`, sealedText(vdisk));
}

const sealedText =
  (vdisk: string) =>
  ({ number, state, ownBytes, contentId }: Version): string =>
    `version ${number} of ${vdisk} is in ${state}: ${bytes(ownBytes)} of its own, content ${contentId?.slice(0, 12)}\n`;

function promote(io: CliIo): Command {
  return onVersion('promote')
    .description('release a version to production machines; from maintenance, first to test')
    .option('--at <time>', 'when, as 2027-01-31T06:00:00Z; now unless given', parseReleaseTime)
    .action(async (vdisk: string, number: number, { at }: { at?: string }, self: Command) => {
      const session = openSession(self, io);
      const { state } = await session.client.call<Version>('GET', pathOf(vdisk, number));
      // With a date it is not for a version in maintenance, and the server says so.
      if (state === 'maintenance' && at === undefined) {
        await sealAndShow(session, vdisk, number, true);
        return;
      }
      const input = at === undefined ? {} : { releaseAt: at };
      const path = `${pathOf(vdisk, number)}/promote`;
      const version = await session.client.call<Version>('POST', path, input);
      const booted = await session.client.call<Vdisk>('GET', `/vdisks/${part(vdisk)}`);
      session.show(version, () =>
        version.released
          ? `version ${number} of ${vdisk} is in production: ${bootedText(booted, number)}\n`
          : `version ${number} of ${vdisk} is released at ${time(version.releaseAt)}\n`,
      );
    });
}

/** What production machines boot, which need not be what was promoted. */
function bootedText({ production, pinnedVersion }: Vdisk, promoted: number): string {
  if (production === promoted) return 'machines boot it from now on';
  if (production === null) return 'machines have no version to boot';
  const why =
    pinnedVersion === null ? 'is newer (vdisk revert goes back)' : 'the vDisk is pinned to';
  return `machines boot version ${production}, which ${why}`;
}

function demote(io: CliIo): Command {
  return onVersion('demote')
    .description('take a version out of production, back to test')
    .action(async (vdisk: string, number: number, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = `${pathOf(vdisk, number)}/demote`;
      const version = await session.client.call<Version>('POST', path);
      const { production } = await session.client.call<Vdisk>('GET', `/vdisks/${part(vdisk)}`);
      const booted =
        production === null
          ? 'machines have no version to boot'
          : `machines boot version ${production}`;
      session.show(version, () => `version ${number} of ${vdisk} is in test again: ${booted}\n`);
    });
}

function merge(io: CliIo): Command {
  return onVersion('merge')
    .description('merge the layers of a version, while machines run from them')
    .addOption(
      new Option('--mode <mode>', 'full: a base of its own; partial: all differences in one')
        .choices(['full', 'partial'])
        .default('partial'),
    )
    .option('--no-wait', 'only start the task')
    .action(
      async (
        vdisk: string,
        number: number,
        { wait, mode }: Waiting & { mode: string },
        self: Command,
      ) => {
        const session = openSession(self, io);
        const path = `${pathOf(vdisk, number)}/merge`;
        const task = await session.client.call<Task>('POST', path, { mode });
        await showTask<Version>(
          session,
          task,
          wait,
          `merge ${vdisk} ${number}`,
          ({ depth, ownBytes }) =>
            `version ${number} of ${vdisk} has ${depth} layers, its own of ${bytes(ownBytes)}\n`,
        );
      },
    );
}

function set(io: CliIo): Command {
  return onVersion('set')
    .description('describe a version, or change its kernel arguments')
    .option('--description <text>', 'for people')
    .option('--kernel-arguments <text>', 'added to the kernel command line')
    .action(async (vdisk: string, number: number, options: object, self: Command) => {
      const session = openSession(self, io);
      const version = await session.client.call<Version>('PATCH', pathOf(vdisk, number), options);
      session.show(version, versionText);
    });
}

function remove(io: CliIo): Command {
  return onVersion('delete')
    .description('delete a version, or discard one in maintenance')
    .action(async (vdisk: string, number: number, _options: object, self: Command) => {
      const session = openSession(self, io);
      const path = pathOf(vdisk, number);
      const deletion = await session.client.call<{ readonly state: string }>('DELETE', path);
      session.show(deletion, ({ state }) =>
        state === 'deleted'
          ? `version ${number} of ${vdisk} deleted\n`
          : `version ${number} of ${vdisk} goes when its last reader has left\n`,
      );
    });
}

export interface Waiting {
  readonly wait: boolean;
}

/**
 * Waits for the task, unless told not to, and shows what came of it.
 * @returns it; undefined: not waited for
 * @throws CliError
 */
export async function showTask<T>(
  session: Session,
  task: Task,
  wait: boolean,
  title: string,
  text: (result: T) => string,
): Promise<T | undefined> {
  if (!wait) {
    session.show(task, taskText);
    return undefined;
  }
  const ended = await waitForTask(session, task, title);
  if (ended.error !== null) throw refused(ended.error);
  const result = ended.result as T;
  session.show(result, text);
  return result;
}

function onVersion(name: string): Command {
  return new Command(name).argument('<vdisk>').argument('<number>', 'of a version', parseVersion);
}

function pathOf(vdisk: string, number: number): string {
  return `/vdisks/${part(vdisk)}/versions/${number}`;
}

export function versionsText(versions: readonly Version[]): string {
  return table(
    ['version', 'state', 'from', 'data', 'own', 'layers', 'in use', 'damaged', 'content', 'about'],
    versions.map((version) => [
      String(version.number),
      stateText(version),
      version.parent === null ? version.format : `${version.format} of ${version.parent}`,
      bytes(version.dataBytes),
      bytes(version.ownBytes),
      String(version.depth),
      version.writer ?? (version.inUse ? 'yes' : 'no'),
      String(version.damagedChunks),
      version.contentId?.slice(0, 12) ?? '-',
      version.description || '-',
    ]),
  );
}

function stateText({ state, private: isPrivate, releaseAt }: Version): string {
  if (isPrivate) return 'private';
  return releaseAt === null ? state : `${state} from ${time(releaseAt)}`;
}

function versionText(version: Version): string {
  const head = facts([
    ['version', String(version.number)],
    ['state', stateText(version)],
    ['about', version.description || '-'],
    ['made from', version.parent === null ? version.format : `version ${version.parent}`],
    ['content', version.contentId ?? '-'],
    ['size', bytes(version.size)],
    ['data', `${bytes(version.dataBytes)}, ${bytes(version.ownBytes)} of its own`],
    ['layers', String(version.depth)],
    ['in use', version.writer ?? (version.inUse ? 'yes' : 'no')],
    ['kernel', version.kernel ?? '-'],
    ['initrd', version.initrd ?? '-'],
    ['root', [version.rootPartition, version.rootFilesystem].filter(Boolean).join(' ') || '-'],
    ['kernel arguments', version.kernelArguments || '-'],
    ['created', time(version.createdAt)],
    ['sealed', time(version.sealedAt)],
    ['verified', `${time(version.verifiedAt)}, ${version.damagedChunks} chunks damaged`],
  ]);
  const actions = table(
    ['action', 'possible', 'why not'],
    Object.entries(version.actions).map(([action, { possible, reason }]) => [
      action,
      possible ? 'yes' : 'no',
      reason ?? '',
    ]),
  );
  return `${head}\n${actions}`;
}

export function revertedText({ name, production }: Vdisk): string {
  return `vDisk ${name}: machines boot version ${production ?? '-'} from now on\n`;
}
