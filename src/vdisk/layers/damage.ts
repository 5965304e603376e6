import type { ReadChunk } from './chunk-windows.ts';
import type { LayeredDisk } from './layer-chain.ts';

/** A chunk that is not what the manifest says. */
export interface DamagedChunk {
  readonly chunk: number;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  readonly length: number;
  /** Hex SHA-256 as in the manifest; undefined: all zeroes. */
  readonly expected: string | undefined;
  /** Hex SHA-256 of what was read; undefined: all zeroes, or `reason` says why nothing was. */
  readonly found: string | undefined;
  /** Why it could not be read; undefined: it could. */
  readonly reason: string | undefined;
  /** The layers of the chain that hold blocks of it, uppermost first; none: they are all zeroes. */
  readonly layerIds: readonly string[];
  /** All of this, for people. */
  readonly message: string;
}

/** Undefined when the chunk is what the manifest says. */
export function damageOf(
  { chunk, offset, length, hash, failure }: ReadChunk,
  expected: Buffer | undefined,
  disk: LayeredDisk,
): DamagedChunk | undefined {
  const isRight =
    hash === undefined || expected === undefined ? hash === expected : hash.equals(expected);
  if (failure === undefined && isRight) return undefined;
  const damage = {
    chunk,
    offset,
    length,
    expected: expected?.toString('hex'),
    found: hash?.toString('hex'),
    reason: failure?.message,
    layerIds: layersOf(disk, offset, length),
  };
  return { ...damage, message: describe(damage) };
}

/** E.g. `chunk 5 (65536 bytes at 327680) of layer a: its SHA-256 is …, not …`. */
function describe(damage: Omit<DamagedChunk, 'message'>): string {
  const { chunk, offset, length, expected, found, reason, layerIds } = damage;
  const from = layerIds.length === 0 ? 'no layer' : `layer ${layerIds.join(' and ')}`;
  const what =
    reason ?? `its SHA-256 is ${found ?? 'that of zeroes'}, not ${expected ?? 'that of zeroes'}`;
  return `chunk ${chunk} (${length} bytes at ${offset}) of ${from}: ${what}`;
}

function layersOf(disk: LayeredDisk, offset: number, length: number): readonly string[] {
  const sources = new Map<number, string>();
  const end = offset + length;
  for (let at = offset; at < end; at = disk.sources.runEnd(at, end)) {
    const layerId = disk.layerAt(at);
    if (layerId !== undefined) sources.set(disk.sources.sourceAt(at), layerId);
  }
  return [...sources].sort(([a], [b]) => b - a).map(([, layerId]) => layerId);
}
