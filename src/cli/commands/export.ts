import { extname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Task, Vdisk, WrittenFile } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { openSession, part, type Session } from '../session.ts';
import { query, STANDARD, take, writtenText } from '../stream-command.ts';
import { showTask } from './version.ts';
import { parseVersion } from './version-number.ts';

const FORMATS = ['raw', 'qcow2', 'vhd'];

/** What a file is called says what is in it. */
const FORMAT_OF_ENDING: Readonly<Record<string, string>> = {
  '.img': 'raw',
  '.raw': 'raw',
  '.qcow2': 'qcow2',
  '.vhd': 'vhd',
};

interface ExportOptions {
  readonly version?: number;
  readonly format?: string;
  readonly parent?: number;
  readonly parentFile?: string;
  readonly compress: boolean;
  readonly onServer?: boolean;
  readonly overwrite?: boolean;
  readonly wait: boolean;
}

export function exportCommand(io: CliIo): Command {
  return new Command('export')
    .argument('<vdisk>')
    .argument('<path>', 'file to write on this machine, or - for standard output')
    .description('write a version as an image for other programs')
    .option('--version <number>', 'what machines boot unless given', parseVersion)
    .addOption(
      new Option('--format <format>', 'as the name says (.img, .qcow2, .vhd) unless given').choices(
        FORMATS,
      ),
    )
    .option('--parent <number>', 'VHD only: what differs from this version', parseVersion)
    .option('--parent-file <name>', "the parent's name beside the new file, V-N.vhd unless given")
    .option('--no-compress', 'qcow2 only: larger, and sooner there')
    .option('--on-server', 'the file is to be on the machine the service runs on')
    .option('--overwrite', 'replace a file that is there')
    .option('--no-wait', 'with --on-server: only start the task')
    .action(async (vdisk: string, path: string, options: ExportOptions, self: Command) => {
      await exportVersion(openSession(self, io), vdisk, path, options);
    });
}

async function exportVersion(
  session: Session,
  vdisk: string,
  path: string,
  options: ExportOptions,
): Promise<void> {
  const { parent, parentFile, onServer, overwrite = false, wait } = options;
  const format = options.format ?? FORMAT_OF_ENDING[extname(path).toLowerCase()] ?? 'qcow2';
  const number = options.version ?? (await productionOf(session, vdisk));
  const version = `/vdisks/${part(vdisk)}/versions/${number}`;
  const title = `export ${vdisk} ${number}`;
  const compress = options.compress ? undefined : false;
  if (onServer !== true) {
    const asked = {
      ...{ format, parentFile },
      parent: parent?.toString(),
      compress: compress?.toString(),
    };
    await take(session, { path, overwrite }, title, (signal) =>
      session.streams.download(`${version}/content${query(asked)}`, signal),
    );
    return;
  }
  if (path === STANDARD) {
    throw new CliError(EXIT_USAGE, 'standard output is not on the server: leave --on-server out');
  }
  const task = await session.client.call<Task>('POST', `${version}/export`, {
    ...{ path: resolve(session.io.cwd, path), format, overwrite },
    ...(compress === undefined ? {} : { compress }),
    ...(parent === undefined ? {} : { parent }),
    ...(parentFile === undefined ? {} : { parentFile }),
  });
  await showTask<WrittenFile>(session, task, wait, title, writtenText);
}

async function productionOf(session: Session, vdisk: string): Promise<number> {
  const { production } = await session.client.call<Vdisk>('GET', `/vdisks/${part(vdisk)}`);
  if (production !== null) return production;
  throw new CliError(EXIT_USAGE, `no version of vDisk ${vdisk} is in production: give --version`);
}
