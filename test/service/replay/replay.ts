/** One simulated machine: replays a trace on its disk, several requests in flight, checking every byte. */
import type { TraceRequest } from '../../../bench/trace.ts';
import { BLOCK, type DiskModel } from './disk-model.ts';

/** The part of an NBD connection that a replay needs. */
export interface ReplayDisk {
  read(offset: number, length: number): Promise<Buffer>;
  write(data: Buffer, offset: number): Promise<void>;
  flush(): Promise<void>;
}

export interface ReplayTotals {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

interface Flight {
  readonly start: number;
  readonly end: number;
  readonly writes: boolean;
  readonly done: Promise<void>;
}

/** As many requests of one machine as a small boot keeps in flight. */
const WINDOW = 8;

/** Requests that must not overtake each other: the same bytes, and one of them writes. */
function collide(flight: Flight, start: number, end: number, writes: boolean): boolean {
  return (flight.writes || writes) && flight.start < end && start < flight.end;
}

async function checkedRead(
  disk: ReplayDisk,
  model: DiskModel,
  offset: number,
  length: number,
): Promise<void> {
  const data = await disk.read(offset, length);
  if (data.length !== length) throw new Error(`read ${data.length} bytes instead of ${length}`);
  const fault = model.findFault(data, offset);
  if (fault !== undefined) throw new Error(fault);
}

/** @throws Error at the first byte that is not what the model says */
export async function replay(
  trace: readonly TraceRequest[],
  disk: ReplayDisk,
  model: DiskModel,
): Promise<ReplayTotals> {
  const flying = new Set<Flight>();
  let bytesRead = 0;
  let bytesWritten = 0;
  for (const [revision, request] of trace.entries()) {
    if (request.kind === 'flush') {
      await Promise.all([...flying].map(({ done }) => done));
      await disk.flush();
      continue;
    }
    const { offset, length, kind } = request;
    const [end, writes] = [offset + length, kind === 'write'];
    for (const flight of flying) if (collide(flight, offset, end, writes)) await flight.done;
    while (flying.size >= WINDOW) await Promise.race([...flying].map(({ done }) => done));
    let work: Promise<void>;
    if (writes) {
      bytesWritten += length;
      work = disk.write(model.write(offset, length, revision), offset);
    } else {
      bytesRead += length;
      work = checkedRead(disk, model, offset, length);
    }
    const flight: Flight = { start: offset, end, writes, done: work };
    flying.add(flight);
    // The failure itself is seen by whoever awaits `done`.
    const landed = (): boolean => flying.delete(flight);
    work.then(landed, () => undefined);
  }
  await Promise.all([...flying].map(({ done }) => done));
  return { bytesRead, bytesWritten };
}

/** Longest run of neighbouring blocks that is verified with one read. */
const VERIFY_RUN = 64;

/**
 * Reads these blocks once more, in runs of neighbours.
 * @param blocks in ascending order
 * @returns how many blocks were right: all of them
 */
export async function verifyBlocks(
  disk: ReplayDisk,
  model: DiskModel,
  blocks: readonly number[],
): Promise<number> {
  let verified = 0;
  while (verified < blocks.length) {
    const first = blocks[verified] ?? 0;
    let run = 1;
    while (run < VERIFY_RUN && blocks[verified + run] === first + run) run++;
    await checkedRead(disk, model, first * BLOCK, run * BLOCK);
    verified += run;
  }
  return verified;
}
