/** Random writes, reads and zeroes on lanes of a device against a model in memory: what was acknowledged must be read back. */
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../src/block/index.ts';
import { seededRandom } from './seed.ts';

export interface VerifiedWrites {
  /** Requests that were acknowledged so far. */
  readonly done: number;
  /** Ends the lanes, then compares all that the device holds with the model. */
  finish(): Promise<void>;
}

const LANES = 8;
const LONGEST = 200 * 1024;

/** @param content what the device holds now; becomes the model */
export function startVerifiedWrites(device: BlockDevice, content: Buffer): VerifiedWrites {
  const random = seededRandom();
  const unit = device.geometry.minimumIo;
  const width = Math.floor(content.length / LANES / unit) * unit;
  const state = { done: 0, stop: false };
  const lane = async (start: number): Promise<void> => {
    while (!state.stop) {
      const length = Math.min(width, unit * (1 + Math.floor((random() ** 3 * LONGEST) / unit)));
      const offset = start + Math.floor((random() * (width - length)) / unit) * unit;
      const kind = random();
      if (kind < 0.6) {
        const source = Buffer.alloc(length, Math.floor(random() * 1e9).toString(36) || '0');
        await device.write(source, offset, PLAIN);
        source.copy(content, offset);
      } else if (kind < 0.7) {
        await device.zero(offset, length, PLAIN_ZERO);
        content.fill(0, offset, offset + length);
      } else {
        const target = Buffer.alloc(length, 0xee);
        await device.read(target, offset);
        expectSame(target, content.subarray(offset, offset + length), offset);
      }
      if (random() < 0.02) await device.flush();
      state.done += 1;
    }
  };
  const lanes = Promise.all(Array.from({ length: LANES }, (_, index) => lane(index * width)));
  lanes.catch(() => {
    state.stop = true; // `finish` reports it
  });
  return {
    get done() {
      return state.done;
    },
    async finish() {
      state.stop = true;
      await lanes;
      const step = 1024 * 1024;
      const target = Buffer.alloc(step);
      for (let at = 0; at < content.length; at += step) {
        const piece = target.subarray(0, Math.min(step, content.length - at));
        await device.read(piece, at);
        expectSame(piece, content.subarray(at, at + piece.length), at);
      }
    },
  };
}

function expectSame(actual: Buffer, expected: Buffer, offset: number): void {
  if (actual.equals(expected)) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(`differs at byte ${offset + at}: ${actual[at]} instead of ${expected[at]}`);
}
