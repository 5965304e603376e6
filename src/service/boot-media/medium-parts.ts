/** What a boot medium is made of and with, and the Debian packages that bring it. */
import { access, constants } from 'node:fs/promises';
import { Fault } from '../../errors/index.ts';

/** Files, by the name of what they are here. */
const FILES = {
  isolinux: { path: '/usr/lib/ISOLINUX/isolinux.bin', debianPackage: 'isolinux' },
  hybridMbr: { path: '/usr/lib/ISOLINUX/isohdpfx.bin', debianPackage: 'isolinux' },
  ldlinux: { path: '/usr/lib/syslinux/modules/bios/ldlinux.c32', debianPackage: 'syslinux-common' },
  ipxe: { path: '/usr/lib/ipxe/ipxe.lkrn', debianPackage: 'ipxe' },
  shim: { path: '/usr/lib/shim/shimx64.efi.signed', debianPackage: 'shim-signed' },
  grub: {
    path: '/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed',
    debianPackage: 'grub-efi-amd64-signed',
  },
} as const;

export type MediumFile = keyof typeof FILES;

/** Programs and their packages. */
export const MEDIUM_PROGRAMS = {
  xorriso: 'xorriso',
  'mkfs.vfat': 'dosfstools',
  mcopy: 'mtools',
  mmd: 'mtools',
} as const;

export type MediumProgram = keyof typeof MEDIUM_PROGRAMS;

/** @throws Fault TOOL_MISSING, naming all packages that bring what is not there */
export async function mediumFiles(): Promise<Readonly<Record<MediumFile, string>>> {
  const missing = new Set<string>();
  for (const { path, debianPackage } of Object.values(FILES)) {
    await access(path, constants.R_OK).catch(() => missing.add(debianPackage));
  }
  if (missing.size > 0) throw missingPackages([...missing]);
  const { isolinux, hybridMbr, ldlinux, ipxe, shim, grub } = FILES;
  return {
    isolinux: isolinux.path,
    hybridMbr: hybridMbr.path,
    ldlinux: ldlinux.path,
    ipxe: ipxe.path,
    shim: shim.path,
    grub: grub.path,
  };
}

export function missingPackages(packages: readonly string[]): Fault {
  const names = packages.join(' ');
  return new Fault(
    'TOOL_MISSING',
    `a boot medium cannot be made on this server: install the Debian packages ${names}`,
    { field: 'bootMedia', value: names, expected: `apt install ${names}` },
  );
}
