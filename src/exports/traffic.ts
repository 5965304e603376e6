/**
 * What passed through some exports, in shared memory: a slot for each thread that serves them. Each thread writes
 * its own slot alone, so plain stores are enough; who reads may see a figure a moment old.
 */

/** Bytes of a slot: two lines of a CPU's cache, so that no thread takes another's away with each request. */
const SLOT_BYTES = 128;
const SLOT_CELLS = SLOT_BYTES / Float64Array.BYTES_PER_ELEMENT;

/** Cells of a slot. */
export const TRAFFIC = {
  bytesRead: 0,
  bytesWritten: 1,
  readRequests: 2,
  writeRequests: 3,
} as const;

/** Since it was created. */
export interface Traffic {
  /** Bytes that were asked for, settled or not. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly readRequests: number;
  /** Writes, trims and zeroes. */
  readonly writeRequests: number;
}

/** @param workers threads: numbers 0 … workers − 1 */
export function createTraffic(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * SLOT_BYTES);
}

/** The slot of one thread. @throws RangeError: there is no thread of that number */
export function trafficSlot(memory: SharedArrayBuffer, worker: number): Float64Array {
  return new Float64Array(memory, worker * SLOT_BYTES, SLOT_CELLS);
}

/** Of all threads; any of them may ask at any time. */
export function readTraffic(memory: SharedArrayBuffer): Traffic {
  const cells = new Float64Array(memory);
  const sum = (cell: number): number => {
    let total = 0;
    for (let at = cell; at < cells.length; at += SLOT_CELLS) total += cells[at] ?? 0;
    return total;
  };
  return {
    bytesRead: sum(TRAFFIC.bytesRead),
    bytesWritten: sum(TRAFFIC.bytesWritten),
    readRequests: sum(TRAFFIC.readRequests),
    writeRequests: sum(TRAFFIC.writeRequests),
  };
}
