/**
 * What things are called in the pool: the name that people gave, and a hash of our tag. The name alone tells
 * whether an object of this tag exists, so looking for a tag is one listing; the tag itself stands in the image's
 * metadata and is compared. Something that is still being made has `.part` behind it, and is renamed when it is
 * complete and tagged: under its own name, nothing half done is ever seen.
 */
import { createHash } from 'node:crypto';
import { checkArrayName } from '../../repositories/index.ts';
import { NAME_CHARACTERS } from './limits.ts';

const PART = '.part';
const UNFINISHED = /\.[0-9a-f]{20}\.part$/;

/** The image that says whose pool it is. */
export const MARKER = 'rootcast.repository';

/** Keys of the image's metadata. */
export const META = {
  tag: 'rootcast.tag',
  thin: 'rootcast.thin',
  reverted: 'rootcast.reverted',
  mapping: 'rootcast.mapping.',
  snapshotMapping: 'rootcast.snapshot-mapping.',
  snapshot: 'rootcast.snapshot.',
  all: 'rootcast.',
} as const;

export function tagSuffix(tag: string): string {
  return `.${createHash('sha256').update(tag).digest('hex').slice(0, 20)}`;
}

/** For an image or a snapshot, whose name has been checked. */
export function objectName(name: string, tag: string): string {
  return name + tagSuffix(tag);
}

export function partName(complete: string): string {
  return complete + PART;
}

/** Neither half made nor the marker. */
export function isVolumeName(name: string): boolean {
  return name !== MARKER && !UNFINISHED.test(name);
}

/** @throws ArrayError INVALID_ARGUMENT */
export function checkName(name: string): void {
  checkArrayName(name, { nameLength: NAME_CHARACTERS });
}
