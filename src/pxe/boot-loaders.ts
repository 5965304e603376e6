/**
 * Boot loader files: iPXE, one per architecture. This fixed table is all that TFTP and HTTP serve by
 * name, so there is no path to escape from.
 */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientArchitecture } from './boot-catalog.ts';
import { MAX_LOADER_BYTES } from './limits.ts';

/** Names on the wire. */
export const LOADER_NAMES = [
  'undionly.kpxe',
  'ipxe.efi',
  'snponly.efi',
  'ipxe-ia32.efi',
  'snp-arm32.efi',
  'snp-arm64.efi',
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
};

/** Which of them Debian's package `ipxe` brings. */
const IN_DEBIAN: ReadonlySet<LoaderName> = new Set(['undionly.kpxe', 'ipxe.efi', 'snponly.efi']);

export function isLoaderName(name: string): name is LoaderName {
  return (LOADER_NAMES as readonly string[]).includes(name);
}

export function loaderFor(
  architecture: ClientArchitecture,
  uefiLoader: 'ipxe.efi' | 'snponly.efi',
): LoaderName {
  switch (architecture) {
    case 'x86-bios':
      return 'undionly.kpxe';
    case 'x64-uefi':
      return uefiLoader;
    case 'x86-uefi':
      return 'ipxe-ia32.efi';
    case 'arm-uefi':
      return 'snp-arm32.efi';
    case 'arm64-uefi':
      return 'snp-arm64.efi';
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

async function readWhole(path: string, size: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  const content = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(content, at, size - at, at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return content.subarray(0, at);
}

function missingMessage(name: LoaderName, folders: readonly string[]): string {
  const where = folders.join(', ');
  return IN_DEBIAN.has(name)
    ? `${name} is in none of ${where}: install the Debian package ipxe`
    : `${name} is in none of ${where}: Debian's package ipxe does not bring it; build it from ` +
        'the sources of iPXE and put it there';
}
