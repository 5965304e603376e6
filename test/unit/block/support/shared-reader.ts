/** One of several threads that read the same two contents through one small cache, and check what they get. */
import { parentPort, workerData } from 'node:worker_threads';
import { MemoryDevice, SharedCache, SharedSource } from '../../../../src/block/index.ts';

const { memory, seed } = workerData as { memory: SharedArrayBuffer; seed: number };
const UNIT = 4096;
const UNITS = 40;
const READS = 4000;
const AT_ONCE = 4;

let fills = 0;
let state = seed;
const random = (below: number): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  return (state >>> 8) % below;
};

/** Each word of a block says of which content it is, and where. */
class Numbered extends MemoryDevice {
  readonly content: number;
  constructor(content: number) {
    super({ size: UNITS * UNIT });
    this.content = content;
  }
  override async read(target: Buffer, offset: number): Promise<void> {
    fills += 1;
    await new Promise((resolve) => setImmediate(resolve));
    const first = Math.floor(offset / UNIT);
    for (let at = 0; at < target.length; at += 4) {
      target.writeUInt32LE(this.content * 1000 + first + Math.floor(at / UNIT), at);
    }
  }
}

const cache = new SharedCache(memory);
const sources = [1, 2].map((content) => new SharedSource(new Numbered(content), cache, content));
let wrong = 0;

async function read(): Promise<void> {
  const scratch = Buffer.alloc(4 * UNIT);
  const target = Buffer.alloc(UNIT);
  for (let turn = 0; turn < READS / AT_ONCE; turn++) {
    const at = random(2);
    const source = sources[at];
    const unit = random(UNITS - 4);
    if (random(10) === 0) {
      await source?.readAhead(
        { first: unit, count: 4, wanted: [unit, unit + 1, unit + 3] },
        scratch,
      );
      continue;
    }
    await source?.read(target, unit * UNIT);
    for (let word = 0; word < UNIT; word += 4) {
      if (target.readUInt32LE(word) !== (at + 1) * 1000 + unit) wrong += 1;
    }
    // A hit is no reason for the others of this thread to wait.
    if (turn % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

// Waiting for a word of memory keeps no thread alive, as sockets do in the service.
const alive = setInterval(() => undefined, 1_000);
await Promise.all(Array.from({ length: AT_ONCE }, read));
clearInterval(alive);
parentPort?.postMessage({ reads: READS, wrong, fills });
