/**
 * What is known of a volume or a snapshot besides its bytes: `NAME.volume.json` beside `NAME.volume`. It is written
 * before the file that it describes and removed after it, so one without that file is a leftover.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from './durable-files.ts';
import { SIDECAR_BYTES } from './limits.ts';

export const SIDECAR_ENDING = '.json';

interface Described {
  /** Of the object for good; another one of the same name has another. */
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface VolumeSidecar extends Described {
  readonly kind: 'volume';
  readonly tag: string | undefined;
  readonly thin: boolean;
  /** Bytes; a shorter file has lost something. */
  readonly size: number;
  /** Of what it was cloned from. */
  readonly parent: string | undefined;
}

export interface SnapshotSidecar extends Described {
  readonly kind: 'snapshot';
  readonly tag: string;
  readonly volume: { readonly id: string; readonly name: string };
}

export type Sidecar = VolumeSidecar | SnapshotSidecar;

/** Raised when a field changes its meaning. */
const FORMAT = 1;

export function textOf(sidecar: Sidecar): string {
  return `${JSON.stringify({ rootcast: FORMAT, ...sidecar }, undefined, 2)}\n`;
}

/** @returns undefined: no such file; 'unreadable': not one of ours, or damaged */
export async function readSidecar(
  folder: string,
  file: string,
): Promise<Sidecar | 'unreadable' | undefined> {
  const handle = await open(join(folder, file), 'r').catch(ignoreMissing);
  if (handle === undefined) return undefined;
  try {
    const buffer = Buffer.alloc(SIDECAR_BYTES + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    if (bytesRead > SIDECAR_BYTES) return 'unreadable';
    return sidecarOf(buffer.toString('utf8', 0, bytesRead)) ?? 'unreadable';
  } finally {
    await handle.close();
  }
}

/** undefined: it says nothing that can be understood. */
export function sidecarOf(text: string): Sidecar | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Record<string, unknown>;
  const { rootcast, kind, id, name, tag, createdAt } = fields;
  if (rootcast !== FORMAT || !isText(id) || !isText(name) || !isCount(createdAt)) return undefined;
  if (kind === 'volume') {
    const { thin, size, parent } = fields;
    if (typeof thin !== 'boolean' || !isCount(size)) return undefined;
    if (!isOptionalText(tag) || !isOptionalText(parent)) return undefined;
    return { kind, id, name, tag, createdAt, thin, size, parent };
  }
  if (kind === 'snapshot' && isText(tag)) {
    const { id: volumeId, name: volumeName } = (fields['volume'] ?? {}) as Record<string, unknown>;
    if (!isText(volumeId) || !isText(volumeName)) return undefined;
    const volume = { id: volumeId, name: volumeName };
    return { kind, id, name, tag, createdAt, volume };
  }
  return undefined;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isOptionalText = (value: unknown): value is string | undefined =>
  value === undefined || isText(value);
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
