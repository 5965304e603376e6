import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Task, Vdisk } from '../answers.ts';
import { CliError, EXIT_USAGE } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes } from '../format.ts';
import { openSession, type Session } from '../session.ts';
import { bring, query, STANDARD } from '../stream-command.ts';
import { showTask } from './version.ts';

const FORMATS = ['raw', 'qcow2', 'vhd', 'vmdk', 'vhdx'];

interface ImportOptions {
  readonly name: string;
  readonly description?: string;
  readonly format?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly kernelArguments?: string;
  readonly repository?: string;
  readonly overlayRepository?: string;
  readonly upload?: boolean;
  readonly prepare?: boolean;
  readonly install?: boolean;
  readonly wait: boolean;
}

export function importCommand(io: CliIo): Command {
  return new Command('import')
    .argument('<path>', 'image file, on the machine the service runs on')
    .description('make a vDisk of an image (raw, qcow2, VHD; VMDK and VHDX with qemu-img)')
    .requiredOption('--name <vdisk>', 'name of the new vDisk')
    .option('--upload', 'the file is on this machine (- for standard input): send it')
    .option('--description <text>', 'for people')
    .addOption(new Option('--format <format>', 'when it cannot be told').choices(FORMATS))
    .option('--kernel <path>', 'kernel to boot with instead of the one in the image')
    .option('--initrd <path>', 'initramfs to boot with instead of the one in the image')
    .option('--kernel-arguments <text>', 'added to the kernel command line')
    .option('--repository <name>', "where its layers are to lie; the service's own unless given")
    .option(
      '--overlay-repository <name>',
      "where write caches are made; the service's own unless given",
    )
    .option('--prepare', 'first put what a machine needs to boot over Rootcast into a copy of it')
    .option('--install', 'with --prepare: install packages that the image lacks')
    .option('--no-wait', 'only start the task')
    .action(async (path: string, options: ImportOptions, self: Command) => {
      const session = openSession(self, io);
      const { name, wait } = options;
      if (options.install && !options.prepare) {
        throw new CliError(EXIT_USAGE, '--install goes with --prepare');
      }
      const task = options.upload
        ? await upload(session, path, options)
        : await importThere(session, path, options);
      await showTask<ImportedVdisk>(session, task, wait, `import ${name}`, importedText);
    });
}

function importThere(session: Session, path: string, options: ImportOptions): Promise<Task> {
  const { cwd } = session.io;
  const { upload: _upload, wait: _wait, kernel, initrd, install, ...rest } = options;
  if (path === STANDARD) {
    throw new CliError(EXIT_USAGE, 'standard input is of this machine: give --upload as well');
  }
  return session.client.call<Task>('POST', '/vdisks', {
    ...rest,
    ...(install ? { installPackages: true } : {}),
    path: resolve(cwd, path),
    ...(kernel === undefined ? {} : { kernel: resolve(cwd, kernel) }),
    ...(initrd === undefined ? {} : { initrd: resolve(cwd, initrd) }),
  });
}

function upload(session: Session, path: string, options: ImportOptions): Promise<Task> {
  const { name, description, format, kernelArguments, repository, overlayRepository } = options;
  const { kernel, initrd, prepare, install } = options;
  if (kernel !== undefined || initrd !== undefined) {
    const text = '--kernel and --initrd are files of the server, and cannot be sent with --upload';
    throw new CliError(EXIT_USAGE, text);
  }
  const given = {
    ...{ name, description, format, kernelArguments, repository, overlayRepository },
    prepare: prepare ? 'true' : undefined,
    installPackages: install ? 'true' : undefined,
  };
  const to = `/vdisks/upload${query(given)}`;
  return bring<Task>(session, path, `upload ${name}`, to);
}

interface ImportedVdisk extends Vdisk {
  readonly prepared?: { readonly changed: readonly string[]; readonly notes: readonly string[] };
}

function importedText({ name, size, dataBytes, bootable, prepared }: ImportedVdisk): string {
  const hint = bootable
    ? ''
    : 'No kernel was found in it (rootcast events says why): import it with --kernel and --initrd to boot it over PXE.\n';
  const done = [
    ...(prepared?.changed ?? []).map((line) => `changed: ${line}\n`),
    ...(prepared?.notes ?? []).map((line) => `note: ${line}\n`),
  ].join('');
  return `${done}vDisk ${name} imported: ${bytes(size)}, ${bytes(dataBytes)} of data\n${hint}`;
}
