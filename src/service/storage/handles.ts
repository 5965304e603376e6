/** What the service knows volumes and snapshots by, as control keeps it for us. */
import type { StorageHandle, StoredVolume } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { ArrayVolume } from '../../repositories/index.ts';
import { type NodeVolume, nodeVolume } from '../../volumes/index.ts';

/**
 * array: an object of the array. layers: what it is made of say our own records (volume_nodes), which also
 * count before anything that a handle says.
 */
export type Handle =
  | { readonly kind: 'array'; readonly object: NodeVolume }
  | { readonly kind: 'layers' };

export const LAYERS: StorageHandle = Object.freeze({ kind: 'layers' });

export function arrayHandle({ tag, ref, locator }: NodeVolume): StorageHandle {
  return { kind: 'array', tag, ref: { ...ref }, locator: { ...locator } };
}

/** @throws Fault INTERNAL for what this service has not written */
export function readHandle(handle: StorageHandle): Handle {
  if (handle['kind'] === 'layers') return { kind: 'layers' };
  const { tag, ref, locator } = handle as Partial<NodeVolume>;
  if (handle['kind'] !== 'array' || typeof tag !== 'string' || !isRef(ref) || !isLocator(locator)) {
    throw new Fault('INTERNAL', 'the catalog has a volume that this service does not know', {
      field: 'handle',
      value: handle,
    });
  }
  return { kind: 'array', object: { tag, ref, locator } };
}

function isRef(ref: unknown): ref is NodeVolume['ref'] {
  return typeof (ref as NodeVolume['ref'] | undefined)?.nativeId === 'string';
}

function isLocator(locator: unknown): locator is NodeVolume['locator'] {
  const { adapter, volume, address } = (locator ?? {}) as Partial<NodeVolume['locator']>;
  return typeof adapter === 'string' && typeof volume === 'string' && typeof address === 'object';
}

/** The array's object. @throws Fault INTERNAL */
export function objectOf(handle: StorageHandle): NodeVolume {
  const read = readHandle(handle);
  if (read.kind === 'array') return read.object;
  throw new Fault('INTERNAL', 'a volume of layers without its layers', { field: 'handle' });
}

export function storedArray(tag: string, volume: ArrayVolume): StoredVolume {
  const { size, thin, wwid } = volume;
  return { handle: arrayHandle(nodeVolume(tag, volume)), size, thin, wwid };
}

export function storedLayers(size: number): StoredVolume {
  return { handle: LAYERS, size, thin: true, wwid: undefined };
}
