import { type BlockDevice, FaultyDevice, MemoryDevice, PLAIN } from '../../src/block/index.ts';
import { seededRandom } from './seed.ts';

/** Random bytes, with holes. */
export function randomContent(size: number): Buffer {
  const random = seededRandom();
  const content = Buffer.alloc(size);
  for (let at = 0; at < size; at += 32 * 1024) {
    if (random() < 0.4) continue;
    const end = Math.min(size, at + 32 * 1024);
    for (let i = at; i < end; i++) content[i] = Math.floor(random() * 256);
  }
  return content;
}

/** A memory device that holds `content`, with holes where it is zero. */
export function filledMemory(content: Buffer, minimumIo = 1): MemoryDevice {
  const device = new MemoryDevice({ size: content.length, minimumIo });
  for (let at = 0; at < content.length; at += 4096) {
    const piece = content.subarray(at, at + 4096);
    if (piece.some((byte) => byte !== 0)) device.write(piece, at, PLAIN);
  }
  return device;
}

/** Half of the requests, chosen at random, wait for a turn or two of the event loop. */
export function slow(inner: BlockDevice): FaultyDevice {
  const random = seededRandom();
  return new FaultyDevice(inner, () => {
    if (random() < 0.5) return undefined;
    const turns = random() < 0.5 ? 1 : 2;
    return { delay: eventLoopTurns(turns) };
  });
}

export async function eventLoopTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
