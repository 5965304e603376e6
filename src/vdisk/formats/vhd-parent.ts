/**
 * Where the parent of a differencing VHD may be. The locators were written by another machine, mostly
 * Windows, so that the paths are tried in order: relative to the image, absolute, then by the bare
 * name beside the image.
 */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ByteSource, readField } from './byte-source.ts';
import { invalidImage } from './image-fault.ts';
import { VHD_LOCATOR_BYTES_MAX } from './limits.ts';
import type { VhdHeader, VhdLocator } from './vhd-footer.ts';

/** Candidate paths, best first, without duplicates. */
export async function vhdParentPaths(
  source: ByteSource,
  header: VhdHeader,
): Promise<readonly string[]> {
  const folder = dirname(resolve(source.name));
  const relative: string[] = [];
  const absolute: string[] = [];
  const names: string[] = [];
  for (const locator of header.locators) {
    const path = await locatorPath(source, locator);
    if (path === undefined) continue;
    if (locator.platform === 'W2ru') relative.push(resolve(folder, forwardSlashes(path)));
    else if (path.startsWith('/')) absolute.push(path);
    names.push(resolve(folder, lastName(path)));
  }
  if (header.parentName !== '') names.push(resolve(folder, lastName(header.parentName)));
  return [...new Set([...relative, ...absolute, ...names])];
}

/** Text of a locator we understand ("Parent Locator Entry", platform codes). */
async function locatorPath(source: ByteSource, locator: VhdLocator): Promise<string | undefined> {
  switch (locator.platform) {
    case 'W2ru': // relative Windows path, UTF-16 little-endian
    case 'W2ku': // absolute Windows path, UTF-16 little-endian
      return cutAtZero((await locatorBytes(source, locator)).toString('utf16le'));
    case 'MacX': // file URL, UTF-8
      return urlPath(cutAtZero((await locatorBytes(source, locator)).toString('utf8')));
    default: // Wi2r and Wi2k are deprecated, "Mac " holds an alias only a Mac can follow
      return undefined;
  }
}

async function locatorBytes(source: ByteSource, locator: VhdLocator): Promise<Buffer> {
  const field = `parent locator ${locator.platform}`;
  if (locator.length > VHD_LOCATOR_BYTES_MAX) {
    throw invalidImage(
      source.name,
      field,
      locator.length,
      `at most ${VHD_LOCATOR_BYTES_MAX} bytes`,
    );
  }
  if (locator.offset > BigInt(source.size)) {
    throw invalidImage(source.name, field, locator.offset, `an offset up to ${source.size}`);
  }
  const bytes = Buffer.alloc(locator.length);
  await readField(source, bytes, Number(locator.offset), field);
  return bytes;
}

function cutAtZero(text: string): string | undefined {
  const end = text.indexOf('\0');
  const path = end < 0 ? text : text.slice(0, end);
  return path === '' ? undefined : path;
}

function urlPath(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  try {
    return fileURLToPath(url);
  } catch {
    return undefined; // some other machine's idea of a file URL
  }
}

function forwardSlashes(path: string): string {
  return path.replaceAll('\\', '/');
}

function lastName(path: string): string {
  return forwardSlashes(path).split('/').at(-1) ?? path;
}
