import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { debianReleaseOfThisMachine } from './apt-sources.ts';

export interface DemoNeeds {
  /** Sentences about what keeps real machines from being booted; empty: nothing does. */
  readonly missing: readonly string[];
  /** Debian packages that would help. */
  readonly packages: readonly string[];
}

/** Program or file, and the Debian package that holds it. */
const PROGRAMS: ReadonlyMap<string, string> = new Map([
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['mmdebstrap', 'mmdebstrap'],
  ['sfdisk', 'fdisk'],
  ['mke2fs', 'e2fsprogs'],
  ['ip', 'iproute2'],
  ['unshare', 'util-linux'],
  ['nsenter', 'util-linux'],
  ['setpriv', 'util-linux'],
]);
const FILES: ReadonlyMap<string, string> = new Map([
  ['/usr/lib/ipxe/ipxe.efi', 'ipxe'],
  ['/usr/lib/ipxe/qemu/pxe-virtio.rom', 'ipxe-qemu'],
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', 'ovmf'],
  ['/usr/share/OVMF/OVMF_VARS_4M.fd', 'ovmf'],
]);

/** What this machine lacks to build the image and boot real (QEMU) machines. */
export async function demoNeeds(): Promise<DemoNeeds> {
  const missing: string[] = [];
  const packages = new Set<string>();
  if (process.getuid?.() !== 0) missing.push('root (for a network namespace and the image)');
  const release = await debianReleaseOfThisMachine().catch((error: Error) => error);
  if (release instanceof Error) missing.push(`Debian: ${release.message}`);
  const lacking = [
    ...[...PROGRAMS].filter(([name]) => !isInstalled(name)),
    ...[...FILES].filter(([path]) => !accessible(path, constants.R_OK)),
  ];
  for (const [name, debianPackage] of lacking) {
    missing.push(`${name} (Debian package ${debianPackage})`);
    packages.add(debianPackage);
  }
  return { missing, packages: [...packages].sort() };
}

/** Whether a program of this name is in PATH, or where only root has it. */
export function isInstalled(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && accessible(join(folder, name), constants.X_OK));
}

function accessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
