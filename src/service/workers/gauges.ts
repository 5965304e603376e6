/**
 * A worker's figures in shared memory: the worker writes its own cells, the control thread reads them.
 * One writer a cell, so plain stores are enough; a reader may see a figure a moment old.
 */
const CELLS = [
  'readCacheBytes',
  'readCacheHits',
  'readCacheMisses',
  'connections',
  'sharedHitBytes',
  'aheadHitBytes',
  'aheadWastedBytes',
] as const;

export type Gauge = (typeof CELLS)[number];

export function createGauges(): SharedArrayBuffer {
  return new SharedArrayBuffer(CELLS.length * Float64Array.BYTES_PER_ELEMENT);
}

export function writeGauges(
  memory: SharedArrayBuffer,
  figures: Readonly<Record<Gauge, number>>,
): void {
  const cells = new Float64Array(memory);
  for (const [index, name] of CELLS.entries()) cells[index] = figures[name];
}

export function readGauges(memory: SharedArrayBuffer): Record<Gauge, number> {
  const cells = new Float64Array(memory);
  return Object.fromEntries(CELLS.map((name, index) => [name, cells[index] ?? 0])) as Record<
    Gauge,
    number
  >;
}
