/**
 * Volumes as files: `NAME.volume`, or a foreign image that was adopted, and beside each a sidecar `FILE.json` with what
 * a file cannot say. A sidecar is there before its volume and says `making` until that is complete; and `growing`, with
 * the size that counts, while zeroes are written behind the end of a thick one.
 */
import { ArrayError } from '../../errors/index.ts';
import type { ArrayRef, ArrayVolume } from '../../repositories/index.ts';
import { NFS_ADAPTER } from './names.ts';
import type { FileAttributes } from './wire/attributes.ts';

const VOLUME_ENDING = '.volume';
/** Files that may be adopted. */
const IMAGE_ENDINGS = [VOLUME_ENDING, '.raw', '.img', '.iso'];
const SIDECAR_ENDING = '.json';
const DELETED_PREFIX = '.deleted-';
const TEMPORARY_PREFIX = '.making-';

/** Bytes of a volume's name: endings and prefixes must fit into 255. */
export const VOLUME_NAME_BYTES = 200;

/** Bytes of what is put around a volume's name. */
export const NAME_ROOM = 55;

/** Letters, digits, `.`, `_` and `-`, and neither of the last first: nothing that a shell or another server would mind. */
const SAFE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

export function volumeFile(name: string): string {
  if (SAFE_NAME.test(name) && name.length <= VOLUME_NAME_BYTES) return name + VOLUME_ENDING;
  throw new ArrayError('INVALID_ARGUMENT', `no name for a volume: ${name}`, {
    field: 'name',
    value: name,
    expected: `at most ${VOLUME_NAME_BYTES} letters, digits, '.', '_' and '-'`,
  });
}

/** Whether it may be a volume: what a reference or a locator names goes to the server as it is. */
export function isVolumeFile(file: string): boolean {
  return (
    !file.includes('/') &&
    !file.startsWith('.') &&
    Buffer.byteLength(file) <= VOLUME_NAME_BYTES + VOLUME_ENDING.length &&
    IMAGE_ENDINGS.some((ending) => file.endsWith(ending))
  );
}

export function sidecarFile(file: string): string {
  return file + SIDECAR_ENDING;
}

export function temporaryFile(file: string): string {
  return TEMPORARY_PREFIX + sidecarFile(file);
}

/** Of a volume on its way out: never that of another one. */
export function deletedFile(file: string, fileId: string): string {
  return `${DELETED_PREFIX}${fileId}-${file}`;
}

/** What an interrupted call left behind. */
export function isLeftOver(file: string): boolean {
  return file.startsWith(DELETED_PREFIX) || file.startsWith(TEMPORARY_PREFIX);
}

function nameOf(file: string): string {
  return file.endsWith(VOLUME_ENDING) ? file.slice(0, -VOLUME_ENDING.length) : file;
}

export type SidecarState = 'making' | 'growing' | 'ready';

export interface Sidecar {
  readonly format: 1;
  /** undefined: released. */
  readonly tag: string | undefined;
  /** Of a volume that we made: file systems give a file's number to another one soon. undefined: adopted. */
  readonly id: string | undefined;
  readonly thin: boolean;
  /** Bytes that it is being made with, or had before it was being grown. */
  readonly size: number;
  readonly state: SidecarState;
}

export function parseSidecar(content: Buffer): Sidecar | undefined {
  let value: unknown;
  try {
    value = JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, tag, id, thin, size, state } = value as Partial<Record<keyof Sidecar, unknown>>;
  if (format !== 1 || !isText(tag) || !isText(id) || typeof thin !== 'boolean') return undefined;
  if (typeof size !== 'number') return undefined;
  if (state !== 'making' && state !== 'growing' && state !== 'ready') return undefined;
  return { format, tag, id, thin, size, state };
}

function isText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

export function encodeSidecar(sidecar: Sidecar): Buffer {
  return Buffer.from(`${JSON.stringify(sidecar)}\n`);
}

/** What tells a volume from another one that has its name later. */
export function generationOf(attributes: FileAttributes, sidecar: Sidecar | undefined): string {
  return sidecar?.id ?? attributes.fileId;
}

/** Bytes of the volume: its file is longer while it grows. */
export function sizeOf(attributes: FileAttributes, sidecar: Sidecar | undefined): number {
  return sidecar?.state === 'growing' ? sidecar.size : attributes.size;
}

/** @param sidecar undefined: not ours */
export function volumeOf(
  repository: string,
  file: string,
  attributes: FileAttributes,
  sidecar: Sidecar | undefined,
): ArrayVolume {
  const generation = generationOf(attributes, sidecar);
  const ref: ArrayRef = { kind: 'volume', nativeId: file, name: nameOf(file), generation };
  return {
    ref,
    tag: sidecar?.tag,
    size: sizeOf(attributes, sidecar),
    allocated: attributes.used,
    thin: sidecar?.thin ?? attributes.used < attributes.size,
    wwid: undefined,
    parent: undefined,
    locator: {
      adapter: NFS_ADAPTER,
      repository,
      volume: ref.name,
      address: { path: file, fileId: attributes.fileId, generation },
    },
  };
}
