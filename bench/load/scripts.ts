/** What the slots of one machine ask, for every pattern. */
import type { TraceRequest } from '../trace.ts';
import type { Places, Random } from './places.ts';
import type { Recorder } from './recorder.ts';
import { END, type Script, type Slot } from './slot.ts';

/** Whether it is time to stop. @param now as performance.now() says it */
export type Until = (now: number) => boolean;

/** Reads or writes of one size. @param group counts them apart as well */
export function blocksScript(
  kind: 'read' | 'write',
  blockBytes: number,
  places: Places,
  until: Until,
  recorder: Recorder,
  group?: string,
): Script {
  return {
    next(slot) {
      if (until(slot.now)) return END;
      const offset = places.next(slot.index);
      if (offset < 0) return END;
      slot.kind = kind;
      slot.offset = offset;
      slot.length = blockBytes;
      return 0;
    },
    answered(slot, now) {
      recorder.record(slot.began, now, blockBytes);
      if (group !== undefined) recorder.recordGroup(group, slot.began, now, blockBytes);
    },
  };
}

/** A write, then a flush; the two together are one request. A script of a single slot. */
export function writeFlushScript(
  blockBytes: number,
  places: Places,
  until: Until,
  recorder: Recorder,
): Script {
  let writeBegan = 0;
  let written = false;
  return {
    next(slot) {
      if (written) {
        slot.kind = 'flush';
        return 0;
      }
      if (until(slot.now)) return END;
      slot.kind = 'write';
      slot.offset = places.next(slot.index);
      slot.length = blockBytes;
      return 0;
    },
    answered(slot, now) {
      written = slot.kind === 'write';
      recorder.recordGroup(slot.kind, slot.began, now, written ? blockBytes : 0);
      if (written) writeBegan = slot.began;
      else recorder.record(writeBegan, now, blockBytes);
    },
  };
}

const KIB = 1024;
/** What one slot of a mix has to itself, and asks for a part of. */
export const MIX_UNIT = 64 * KIB;
const MIX_SIZES = [4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB];
const READS_OF_FIVE = 4;

export function mixScript(
  places: Places,
  random: Random,
  until: Until,
  recorder: Recorder,
): Script {
  return {
    next(slot) {
      if (until(slot.now)) return END;
      const length = MIX_SIZES[random.below(MIX_SIZES.length)] ?? MIX_UNIT;
      slot.kind = random.below(READS_OF_FIVE + 1) < READS_OF_FIVE ? 'read' : 'write';
      slot.offset = places.next(slot.index) + random.below(MIX_UNIT / length) * length;
      slot.length = length;
      return 0;
    },
    answered(slot, now) {
      recorder.record(slot.began, now, slot.length);
      recorder.recordGroup(slot.kind, slot.began, now, slot.length);
    },
  };
}

export interface TraceOptions {
  readonly paced: boolean;
  /** Again from the start until it is time to stop. */
  readonly again: Until | undefined;
  /** Counts the requests under this name; undefined: under their kinds. */
  readonly group: string | undefined;
}

/** Timers count whole milliseconds; what a think time lacks or has too much is settled by the next. */
class Thinking {
  #owedMs = 0;

  waitFor(micros: number): number {
    this.#owedMs += micros / 1e3;
    return this.#owedMs < 1 ? 0 : Math.floor(this.#owedMs);
  }

  waited(ms: number): void {
    this.#owedMs -= ms;
  }
}

/** The recorded requests, in order and one at a time. A script of a single slot. */
export function traceScript(
  trace: readonly TraceRequest[],
  options: TraceOptions,
  recorder: Recorder,
): Script {
  const thinking = new Thinking();
  let at = 0;
  const isOver = (slot: Slot): boolean => {
    if (options.again === undefined) return at === trace.length;
    if (at === trace.length) at = 0;
    return options.again(slot.now);
  };
  let answeredAt = 0;
  let waits = false;
  return {
    next(slot) {
      if (isOver(slot)) return END;
      const request = trace[at];
      if (request === undefined) return END;
      at += 1;
      slot.kind = request.kind;
      slot.offset = request.kind === 'flush' ? 0 : request.offset;
      slot.length = request.kind === 'flush' ? 0 : request.length;
      const ms = options.paced ? thinking.waitFor(request.thinkMicros ?? 0) : 0;
      waits = ms > 0;
      answeredAt = slot.now;
      return ms;
    },
    answered(slot, now) {
      if (waits) thinking.waited(slot.began - answeredAt);
      recorder.record(slot.began, now, slot.length);
      recorder.recordGroup(options.group ?? slot.kind, slot.began, now, slot.length);
    },
  };
}
