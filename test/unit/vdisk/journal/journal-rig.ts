/** A flush journal on segments that fail and stall to order, for its tests. */
import {
  type BlockDevice,
  type FaultPlan,
  FaultyDevice,
  MemoryDevice,
} from '../../../../src/block/index.ts';
import {
  FlushJournal,
  JOURNAL_SEGMENT_LEAST_BYTES,
  type JournalRecord,
  type JournalUser,
  readRecords,
  readSegmentHeader,
} from '../../../../src/vdisk/journal/index.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { handle } from '../../../support/overlays.ts';
import { record } from './records.ts';

export const SIZE = JOURNAL_SEGMENT_LEAST_BYTES;

interface Traced {
  readonly operation: 'write' | 'flush';
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

export interface Rig {
  readonly journal: FlushJournal;
  readonly memory: readonly MemoryDevice[];
  /** What reached the segments since the last look. */
  readonly trace: Traced[];
  readonly stopped: unknown[];
  readonly append: (user: JournalUser, record: JournalRecord) => Promise<boolean>;
  /** Sequences that a restart would find, by segment. */
  readonly found: () => Promise<number[][]>;
}

/** @param plan may fail or stall what reaches a segment */
export async function rig(
  options: {
    readonly plan?: (segment: number) => FaultPlan;
    readonly size?: number;
    readonly prepared?: boolean;
  } = {},
): Promise<Rig> {
  const { plan = () => () => undefined, size = SIZE, prepared = true } = options;
  const memory = [0, 1].map(() => new MemoryDevice({ size }));
  const trace: Traced[] = [];
  const stopped: unknown[] = [];
  const device = (segment: number): BlockDevice => {
    const faults = plan(segment);
    return new FaultyDevice(handle(memory[segment] as MemoryDevice), (request) => {
      const { operation, offset, length } = request;
      if (operation === 'write' || operation === 'flush') {
        trace.push({ operation, segment, offset, length });
      }
      return faults(request);
    });
  };
  const journal = new FlushJournal({
    segments: [device(0), device(1)],
    bootId: 'boot',
    onStopped: (error) => stopped.push(error),
  });
  if (prepared) {
    const first = record(0, 8);
    while (journal.append(user(), first) === false) await eventLoopTurns(1);
    await eventLoopTurns(5);
    trace.length = 0;
  }
  const append = async (by: JournalUser, value: JournalRecord) => journal.append(by, value);
  const found = (): Promise<number[][]> =>
    Promise.all(
      memory.map(async (segment) => {
        const header = await readSegmentHeader(segment);
        const sequences: number[] = [];
        if (header === undefined) return sequences;
        for await (const { sequence } of readRecords(segment, header)) sequences.push(sequence);
        return sequences;
      }),
    );
  return { journal, memory, trace, stopped, append, found };
}

export function user(checkpoint: () => Promise<void> = async () => {}): JournalUser {
  return { key: 'overlay', checkpoint };
}
