/**
 * A Linux kernel without a disk: the Debian image's own kernel and initramfs (it has nbd, virtio-net,
 * nbd-client and busybox), with an archive on top that brings a few programs of this host and an init
 * that gives a shell on the second serial port instead of looking for a root file system.
 */
import { readFile, realpath, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type DebianImage,
  EMULATED_KERNEL_ARGUMENTS,
  Machine,
  type NetworkNamespace,
  runProgram,
} from '../../../src/service/demo/index.ts';
import { findProgram } from '../../support/requires.ts';
import { type ArchiveFile, cpioArchive } from './cpio.ts';
import { kernelModules } from './kernel-modules.ts';

const FOLDER = 0o040755;
const PROGRAM = 0o100755;

/** The guest's own address in QEMU's user network; we are 10.0.2.2 there. */
const GUEST_ADDRESS = '10.0.2.15';
export const HOST_AS_SEEN_BY_THE_GUEST = '10.0.2.2';

export interface KernelGuest {
  /** Programs of this host that it brings along. */
  readonly programs: readonly string[];
  /** Modules of the image's kernel that its initramfs does not have; they are loaded. */
  readonly modules?: readonly string[];
  /** Default: QEMU's own network, with us at HOST_AS_SEEN_BY_THE_GUEST. */
  readonly network?: { readonly namespace: NetworkNamespace; readonly address: string };
  readonly memoryMiB?: number;
  /** Raw files that are its local disks: vda, vdb … */
  readonly disks?: readonly string[];
  /** More words for the kernel's command line. */
  readonly commandLine?: readonly string[];
  /** Takes the place of what is in the initramfs. */
  readonly files?: readonly { readonly path: string; readonly content: Buffer }[];
}

const INIT = (modules: readonly string[], address: string): string => `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /dev /proc /sys /mnt /tmp
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in virtio_pci virtio_net nbd crc32c_generic ${modules.join(' ')}; do modprobe $module; done
ifconfig lo up
ifconfig eth0 ${address} netmask 255.255.255.0 up
stty -F /dev/ttyS1 -echo -onlcr
exec < /dev/ttyS1 > /dev/ttyS1 2>&1
echo GUEST-READY
while :; do setsid sh; done
`;

export async function startKernelGuest(
  image: DebianImage,
  folder: string,
  guest: KernelGuest,
): Promise<Machine> {
  const { programs, modules = [], network, memoryMiB = 512 } = guest;
  const { disks = [], commandLine = [], files = [] } = guest;
  const archive = new Map<string, ArchiveFile>();
  await addHostPrograms(archive, programs);
  for (const { path, content } of await kernelModules(image, modules)) add(archive, path, content);
  add(archive, 'rootcast-init', Buffer.from(INIT(modules, network?.address ?? GUEST_ADDRESS)));
  for (const { path, content } of files) add(archive, path, content);
  const entries = [...archive.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const initrd = join(folder, 'guest-initrd.img');
  // The kernel unpacks one archive after the other; an uncompressed one must begin on four bytes.
  await writeFile(
    initrd,
    Buffer.concat([padTo4(await readFile(image.initrd)), cpioArchive(entries)]),
  );
  const append = [
    `${EMULATED_KERNEL_ARGUMENTS} panic=-1 net.ifnames=0 rdinit=/rootcast-init`,
    ...commandLine,
  ].join(' ');
  const machine = await Machine.start({
    network: network?.namespace ?? 'user',
    firmware: 'bios',
    mac: '52:54:00:4e:42:44',
    folder,
    memoryMiB,
    disks,
    direct: { kernel: image.kernel, initrd, append },
  });
  try {
    await machine.shell.waitFor(/GUEST-READY/, 90_000);
  } catch (error) {
    await machine.kill();
    throw error;
  }
  return machine;
}

function add(archive: Map<string, ArchiveFile>, path: string, content: Buffer): void {
  for (const above of foldersAbove(path)) {
    archive.set(above, { path: above, mode: FOLDER, content: Buffer.alloc(0) });
  }
  archive.set(path, { path, mode: PROGRAM, content });
}

/** Programs of this host, each with its own loader and libraries, so that they shadow nothing. */
async function addHostPrograms(
  archive: Map<string, ArchiveFile>,
  programs: readonly string[],
): Promise<void> {
  for (const name of programs) {
    const path = findProgram(name);
    if (path === undefined) throw new Error(`${name} is not installed`);
    add(archive, `opt/host/bin/${name}`, await readFile(await realpath(path)));
    const libraries = await runProgram(['ldd', path]);
    for (const [, library] of libraries.matchAll(/(\/\S+) \(0x/g)) {
      if (library === undefined) continue;
      add(archive, `opt/host/lib/${basename(library)}`, await readFile(await realpath(library)));
    }
    add(archive, `usr/local/sbin/${name}`, Buffer.from(wrapper(name)));
  }
}

function wrapper(name: string): string {
  const lib = '/opt/host/lib';
  return `#!/bin/sh\nexec ${lib}/ld-linux-x86-64.so.2 --library-path ${lib} /opt/host/bin/${name} "$@"\n`;
}

function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder === '.' ? [] : [...foldersAbove(folder), folder];
}

function padTo4(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
