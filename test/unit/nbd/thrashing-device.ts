/**
 * A device over a cache of few slots that are filled again and again, as the shared read cache is:
 * a slot that is lent must not be touched, every other one is fair game.
 */
import { type Loan, MemoryDevice } from '../../../src/block/index.ts';

const SLOT = 64 * 1024;
const SLOTS = 256;

interface Slot {
  readonly bytes: Buffer;
  pins: number;
}

/** What the disk holds at an offset: told apart everywhere from what `thrash` fills in. */
function word(offset: number): number {
  return (offset / 4) & 0x7fffffff;
}

export class CachedReads extends MemoryDevice {
  readonly slots: Slot[] = Array.from({ length: SLOTS }, () => ({
    bytes: Buffer.alloc(SLOT),
    pins: 0,
  }));

  constructor(size: number) {
    super({ size });
  }

  get pinned(): number {
    return this.slots.reduce((sum, slot) => sum + slot.pins, 0);
  }

  override lend(offset: number, length: number): Loan | undefined {
    if (offset % SLOT !== 0 || length !== SLOT) return undefined;
    const slot = this.slots.find(({ pins }) => pins === 0);
    if (slot === undefined) throw new Error('no free slot: the server holds too many loans');
    for (let at = 0; at < SLOT; at += 4) slot.bytes.writeUInt32BE(word(offset + at), at);
    slot.pins += 1;
    let released = false;
    return {
      chunks: [slot.bytes],
      release: () => {
        if (released) throw new Error('released twice');
        released = true;
        slot.pins -= 1;
      },
    };
  }

  override extents(offset: number, length: number): ReturnType<MemoryDevice['extents']> {
    return [{ offset, length, kind: 'data' }];
  }

  /** Where `data` is not what the disk holds at `offset`; -1 when it is. */
  firstDifference(data: Buffer, offset: number): number {
    for (let at = 0; at < data.length; at += 4) {
      if (data.readUInt32BE(at) !== word(offset + at)) return at;
    }
    return -1;
  }
}

export function thrash(device: CachedReads): void {
  for (const slot of device.slots) if (slot.pins === 0) slot.bytes.fill(0xff);
}
