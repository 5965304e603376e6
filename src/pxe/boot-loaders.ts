/**
 * Boot loader files: iPXE, one per architecture, and the signed pair for Secure Boot, shim and the GRUB
 * that it loads (adr 0021). This fixed table is all that TFTP and HTTP serve by name, so there is no path
 * to escape from.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientArchitecture, LoaderChoice } from './boot-catalog.ts';
import { MAX_LOADER_BYTES } from './limits.ts';
import { readWhole } from './read-whole.ts';

/** Names on the wire. */
export const LOADER_NAMES = [
  'undionly.kpxe',
  'ipxe.efi',
  'snponly.efi',
  'ipxe-ia32.efi',
  'snp-arm32.efi',
  'snp-arm64.efi',
  'shimx64.efi',
  'grubx64.efi',
  'shimaa64.efi',
  'grubaa64.efi',
] as const;

export type LoaderName = (typeof LOADER_NAMES)[number];

/** What a file of that name may be called on disk: Debian's name, then iPXE's build targets. */
const FILES: Readonly<Record<LoaderName, readonly string[]>> = {
  'undionly.kpxe': ['undionly.kpxe'],
  'ipxe.efi': ['ipxe.efi'],
  'snponly.efi': ['snponly.efi'],
  'ipxe-ia32.efi': ['ipxe-ia32.efi', 'ipxe-i386.efi'],
  'snp-arm32.efi': ['snp-arm32.efi'],
  'snp-arm64.efi': ['snp-arm64.efi', 'snponly-arm64.efi', 'ipxe-arm64.efi'],
  'shimx64.efi': ['shimx64.efi.signed', 'shimx64.efi'],
  // Of Debian's signed builds the one that has the network in it; shim asks for it by the plain name.
  'grubx64.efi': ['grubnetx64.efi.signed', 'grubnetx64.efi', 'grubx64.efi'],
  'shimaa64.efi': ['shimaa64.efi.signed', 'shimaa64.efi'],
  'grubaa64.efi': ['grubnetaa64.efi.signed', 'grubnetaa64.efi', 'grubaa64.efi'],
};

/** Debian's package that brings it; the others have to be built. */
const PACKAGES: Readonly<Partial<Record<LoaderName, string>>> = {
  'undionly.kpxe': 'ipxe',
  'ipxe.efi': 'ipxe',
  'snponly.efi': 'ipxe',
  'shimx64.efi': 'shim-signed',
  'grubx64.efi': 'grub-efi-amd64-signed',
  'shimaa64.efi': 'shim-signed:arm64',
  'grubaa64.efi': 'grub-efi-arm64-signed',
};

/** What the configuration may name for UEFI machines that nothing else is said about. */
export const UEFI_LOADERS = ['ipxe.efi', 'snponly.efi', 'shimx64.efi'] as const;
export type UefiLoader = (typeof UEFI_LOADERS)[number];

export function isLoaderName(name: string): name is LoaderName {
  return (LOADER_NAMES as readonly string[]).includes(name);
}

/** Secure Boot exists on 64-bit UEFI: the rest gets iPXE, whatever was chosen. */
export function loaderFor(
  architecture: ClientArchitecture,
  uefiLoader: UefiLoader,
  choice: LoaderChoice = 'auto',
): LoaderName {
  const isSigned = choice === 'grub' || (choice === 'auto' && uefiLoader === 'shimx64.efi');
  switch (architecture) {
    case 'x86-bios':
      return 'undionly.kpxe';
    case 'x64-uefi':
      if (isSigned) return 'shimx64.efi';
      return uefiLoader === 'shimx64.efi' ? 'ipxe.efi' : uefiLoader;
    case 'x86-uefi':
      return 'ipxe-ia32.efi';
    case 'arm-uefi':
      return 'snp-arm32.efi';
    case 'arm64-uefi':
      return isSigned ? 'shimaa64.efi' : 'snp-arm64.efi';
  }
}

/** What a machine that is sent this file asks for: shim loads its GRUB by itself. */
export function filesOfLoader(loader: LoaderName): readonly LoaderName[] {
  switch (loader) {
    case 'shimx64.efi':
      return [loader, 'grubx64.efi'];
    case 'shimaa64.efi':
      return [loader, 'grubaa64.efi'];
    default:
      return [loader];
  }
}

export type LoadedLoader =
  | { readonly kind: 'loaded'; readonly content: Buffer }
  | { readonly kind: 'missing'; readonly message: string };

export interface LoaderFiles {
  /** Read afresh when the file changed, so that a package upgrade needs no restart. */
  load(name: LoaderName): Promise<LoadedLoader>;
}

interface CachedLoader {
  readonly content: Buffer;
  readonly path: string;
  readonly modifiedMs: number;
}

export function createLoaderFiles(folders: readonly string[]): LoaderFiles {
  const cache = new Map<LoaderName, CachedLoader>();
  return {
    async load(name) {
      for (const path of folders.flatMap((folder) =>
        FILES[name].map((file) => join(folder, file)),
      )) {
        const found = await stat(path).catch(() => undefined);
        if (found === undefined || !found.isFile() || found.size > MAX_LOADER_BYTES) continue;
        const before = cache.get(name);
        if (before?.path === path && before.modifiedMs === found.mtimeMs) {
          return { kind: 'loaded', content: before.content };
        }
        const content = await readWhole(path, found.size).catch(() => undefined);
        if (content === undefined) continue;
        cache.set(name, { content, path, modifiedMs: found.mtimeMs });
        return { kind: 'loaded', content };
      }
      return { kind: 'missing', message: missingMessage(name, folders) };
    },
  };
}

function missingMessage(name: LoaderName, folders: readonly string[]): string {
  const where = folders.join(', ');
  const debianPackage = PACKAGES[name];
  return debianPackage !== undefined
    ? `${name} is in none of ${where}: install the Debian package ${debianPackage}`
    : `${name} is in none of ${where}: Debian's package ipxe does not bring it; build it from ` +
        'the sources of iPXE and put it there';
}
