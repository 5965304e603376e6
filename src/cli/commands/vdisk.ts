import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Items, Task, Vdisk } from '../answers.ts';
import { refused } from '../api-client.ts';
import type { CliIo } from '../cli-io.ts';
import { bytes, facts, table, time } from '../format.ts';
import { openSession, part } from '../session.ts';
import { waitForTask } from '../wait-for-task.ts';
import { taskText } from './task.ts';

const FORMATS = ['raw', 'qcow2', 'vhd', 'vmdk', 'vhdx'];

interface ImportOptions {
  readonly name: string;
  readonly description?: string;
  readonly format?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly kernelArguments?: string;
  readonly wait: boolean;
}

export function vdiskCommand(io: CliIo): Command {
  const command = new Command('vdisk').description('shared disks and their versions');
  command.addCommand(importCommand(io));
  command
    .command('list')
    .description('all vDisks')
    .action(async (_options: object, self: Command) => {
      const session = openSession(self, io);
      const { items } = await session.client.call<Items<Vdisk>>('GET', '/vdisks');
      session.show(items, listText);
    });
  command
    .command('show <name>')
    .description('one vDisk with its versions')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      session.show(await session.client.call<Vdisk>('GET', `/vdisks/${part(name)}`), vdiskText);
    });
  command
    .command('delete <name>')
    .description('delete a vDisk that nothing uses')
    .action(async (name: string, _options: object, self: Command) => {
      const session = openSession(self, io);
      await session.client.call('DELETE', `/vdisks/${part(name)}`);
      session.show({ deleted: name }, () => `vDisk ${name} deleted\n`);
    });
  return command;
}

function importCommand(io: CliIo): Command {
  return new Command('import')
    .argument('<path>', 'image file, on the machine the service runs on')
    .description('make a vDisk of an image (raw, qcow2, VHD; VMDK and VHDX with qemu-img)')
    .requiredOption('--name <vdisk>', 'name of the new vDisk')
    .option('--description <text>', 'for people')
    .addOption(new Option('--format <format>', 'when it cannot be told').choices(FORMATS))
    .option('--kernel <path>', 'kernel to boot with instead of the one in the image')
    .option('--initrd <path>', 'initramfs to boot with instead of the one in the image')
    .option('--kernel-arguments <text>', 'added to the kernel command line')
    .option('--no-wait', 'only start the task')
    .action(async (path: string, options: ImportOptions, self: Command) => {
      const session = openSession(self, io);
      const { name, wait, kernel, initrd, ...rest } = options;
      const task = await session.client.call<Task>('POST', '/vdisks', {
        ...rest,
        name,
        path: resolve(io.cwd, path),
        ...(kernel === undefined ? {} : { kernel: resolve(io.cwd, kernel) }),
        ...(initrd === undefined ? {} : { initrd: resolve(io.cwd, initrd) }),
      });
      if (!wait) {
        session.show(task, taskText);
        return;
      }
      const ended = await waitForTask(session, task, `import ${name}`);
      if (ended.error !== null) throw refused(ended.error);
      session.show(ended.result as Vdisk, importedText);
    });
}

function importedText({ name, size, dataBytes, bootable }: Vdisk): string {
  const hint = bootable
    ? ''
    : 'No kernel was found in it (rootcast events says why): import it with --kernel and --initrd to boot it over PXE.\n';
  return `vDisk ${name} imported: ${bytes(size)}, ${bytes(dataBytes)} of data\n${hint}`;
}

function listText(vdisks: readonly Vdisk[]): string {
  return table(
    ['name', 'version', 'size', 'data', 'machines', 'connections', 'bootable', 'created'],
    vdisks.map((vdisk) => [
      vdisk.name,
      String(vdisk.production ?? '-'),
      bytes(vdisk.size),
      bytes(vdisk.dataBytes),
      String(vdisk.machines),
      String(vdisk.connections),
      vdisk.bootable ? 'yes' : 'no',
      time(vdisk.createdAt),
    ]),
  );
}

function vdiskText(vdisk: Vdisk): string {
  const head = facts([
    ['name', vdisk.name],
    ['description', vdisk.description || '-'],
    ['export', vdisk.export],
    ['size', bytes(vdisk.size)],
    ['machines', String(vdisk.machines)],
    ['connections', String(vdisk.connections)],
    ['created', time(vdisk.createdAt)],
  ]);
  const versions = table(
    ['version', 'state', 'data', 'from', 'kernel', 'initrd', 'root', 'content'],
    vdisk.versions.map((version) => [
      String(version.number),
      version.state,
      bytes(version.dataBytes),
      version.format,
      version.kernel ?? '-',
      version.initrd ?? '-',
      [version.rootPartition, version.rootFilesystem].filter(Boolean).join(' ') || '-',
      version.contentId.slice(0, 12),
    ]),
  );
  return `${head}\n${versions}`;
}
