/** Disks that a machine has of its own. */
import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runProgram } from '../../../src/service/demo/index.ts';

const run = promisify(execFile);
const DISK_BYTES = 8 * 1024 * 1024;
const MARKED_DISK_BYTES = 128 * 1024 * 1024;

/** On the console, from either firmware. */
export const LOCAL_DISK_SAYS = 'THE-LOCAL-DISK-BOOTS';

/** An empty disk that is marked for the write cache of its machine (boot/lib/rootcast-cache.sh). */
export async function markedDisk(path: string): Promise<void> {
  await writeFile(path, '');
  await truncate(path, MARKED_DISK_BYTES);
  await runProgram(['sfdisk', '-q', path], { input: 'label: gpt\nname=rootcast-cache\n' });
}

/**
 * A disk that says on the console that it was booted: a FAT file system without partitions. Its boot sector says it
 * under BIOS; for UEFI there are shim and GRUB where removable media have them, so that Secure Boot lets them through.
 */
export async function localDisk(folder: string): Promise<string> {
  const path = join(folder, 'local-disk.img');
  const message = join(folder, 'message.txt');
  const config = join(folder, 'local-grub.cfg');
  await writeFile(message, `${LOCAL_DISK_SAYS}\r\n`);
  await writeFile(config, `echo ${LOCAL_DISK_SAYS}\nsleep 3600\n`);
  await writeFile(path, '');
  await truncate(path, DISK_BYTES);
  await run('/usr/sbin/mkfs.vfat', ['-m', message, path]);
  await run('mmd', ['-i', path, '::/EFI', '::/EFI/BOOT', '::/grub']);
  const grub = '/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed';
  for (const [from, to] of [
    ['/usr/lib/shim/shimx64.efi.signed', 'EFI/BOOT/BOOTX64.EFI'],
    [grub, 'EFI/BOOT/grubx64.efi'],
    [config, 'grub/grub.cfg'],
  ] as const) {
    await run('mcopy', ['-i', path, from, `::/${to}`]);
  }
  return path;
}
