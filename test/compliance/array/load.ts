/**
 * A load whose moments can be told apart: counters are written one after the other, each when the one before has
 * settled, round robin over blocks and devices. A copy of one moment holds the counters up to some n and no
 * later one; anything else has writes of different moments in it.
 */
import { type BlockDevice, PLAIN } from '../../../src/block/index.ts';

/** Counters on each device. */
const BLOCKS = 16;
/** How far the load must get before somebody looks at it. */
const PROGRESS = BLOCKS * 2;

export interface Load {
  /** Writes that have settled. */
  readonly settled: number;
  readonly issued: number;
  /** Settles when some more writes have. */
  progressed(): Promise<void>;
  /** Fails with what a write failed with. */
  stop(): Promise<void>;
}

const unitOf = (minimumIo: number): number => Math.max(512, minimumIo);

export function countUp(devices: readonly BlockDevice[]): Load {
  const state = { settled: 0, issued: 0, stopped: false };
  let failed: { readonly error: unknown } | undefined;
  const run = async (): Promise<void> => {
    while (!state.stopped) {
      const device = devices[state.issued % devices.length];
      if (device === undefined) return;
      const block = Math.floor(state.issued / devices.length) % BLOCKS;
      const unit = unitOf(device.geometry.minimumIo);
      const source = Buffer.alloc(unit);
      state.issued += 1;
      for (let at = 0; at < unit; at += 8) source.writeDoubleLE(state.issued, at);
      await device.write(source, placeOf(block, device.geometry.size, unit), PLAIN);
      state.settled = state.issued;
      if (state.settled % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const running = run().catch((error: unknown) => {
    failed = { error };
  });
  return {
    get settled() {
      return state.settled;
    },
    get issued() {
      return state.issued;
    },
    progressed: async () => {
      const goal = state.settled + PROGRESS;
      while (state.settled < goal && failed === undefined) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    stop: async () => {
      state.stopped = true;
      await running;
      if (failed !== undefined) throw failed.error;
    },
  };
}

/** Spread over the device. */
function placeOf(block: number, size: number, unit: number): number {
  return Math.floor((block * (size - unit)) / (BLOCKS - 1) / unit) * unit;
}

/** @returns how many writes the copies hold; throws when they are not of one moment */
export function checkCounters(contents: readonly Buffer[], minimumIo: number): number {
  const unit = unitOf(minimumIo);
  const found = contents.map((content) =>
    Array.from({ length: BLOCKS }, (_, block) => {
      const at = placeOf(block, content.length, unit);
      const counter = content.readDoubleLE(at);
      for (let within = 0; within < unit; within += 8) {
        if (content.readDoubleLE(at + within) !== counter) throw new Error(`torn block ${block}`);
      }
      return counter;
    }),
  );
  const last = Math.max(...found.flat());
  for (const [device, counters] of found.entries()) {
    for (const [block, counter] of counters.entries()) {
      const expected = latest(last, device, block, contents.length);
      if (counter === expected) continue;
      throw new Error(
        `device ${device}, block ${block}: write ${counter} instead of ${expected}, with ${last} there`,
      );
    }
  }
  return last;
}

/** The newest of the first `last` writes that went to this place; 0: none. */
function latest(last: number, device: number, block: number, devices: number): number {
  const round = devices * BLOCKS;
  const first = block * devices + device + 1;
  return first > last ? 0 : first + Math.floor((last - first) / round) * round;
}
