/** Chains of sealed layers made the way they come about: by machines that write to overlays. */
import fc from 'fast-check';
import {
  type BlockDevice,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
  type ReadableBlockDevice,
  type ReadCache,
} from '../../src/block/index.ts';
import {
  buildChainIndex,
  type ChainBase,
  type ChainDifference,
  openChain,
} from '../../src/vdisk/index.ts';
import { BLOCK_BYTES, UNIT_BYTES } from '../../src/vdisk/overlay/index.ts';
import { OverlayState } from '../../src/vdisk/overlay/overlay-state.ts';
import { filledMemory } from './content.ts';
import { handle, openFresh } from './overlays.ts';

/** What a machine does to its disk; the place is a share of it, the length in bytes. */
export interface DiskChange {
  readonly kind: 'write' | 'zero' | 'trim';
  readonly place: number;
  readonly length: number;
  readonly fill: number;
  /** What the place is rounded down to: changes at round places cover whole blocks and units. */
  readonly round: number;
}

/** Changes of 512 bytes to 200 KiB, many of them at round places. */
export function diskChanges(): fc.Arbitrary<DiskChange> {
  return fc.record({
    kind: fc.constantFrom('write', 'write', 'write', 'zero', 'zero', 'trim'),
    place: fc.nat(9999).map((share) => share / 10_000),
    length: fc.oneof(
      fc.integer({ min: 1, max: 400 }).map((sectors) => sectors * 512),
      fc.constantFrom(512, BLOCK_BYTES, UNIT_BYTES, 2 * UNIT_BYTES, 200 * 1024),
    ),
    fill: fc.integer({ min: 1, max: 255 }),
    round: fc.constantFrom(512, BLOCK_BYTES, UNIT_BYTES, 2 * UNIT_BYTES),
  });
}

/** One state of the disk: a layer and what the disk holds with it. */
export interface BuiltVersion {
  readonly layerId: string;
  readonly volume: BlockDevice;
  readonly content: Buffer;
}

/** A disk, its versions so far, and the maps of their layers. */
export class BuiltChain {
  readonly base: ChainBase;
  readonly differences: ChainDifference[] = [];
  readonly versions: BuiltVersion[];
  readonly #name: string;

  /**
   * @param content of the base; changed: chunks become holes, in which the volume has garbage
   * @param holeEvery chunks: the last of each so many is a hole
   */
  constructor(content: Buffer, name = 'chain', holeEvery = 3) {
    this.#name = name;
    const volume = Buffer.from(content);
    const chunks = Math.ceil(content.length / UNIT_BYTES);
    const presentChunks = new Uint8Array(Math.ceil(chunks / 8));
    for (let chunk = 0; chunk < chunks; chunk++) {
      const end = Math.min(content.length, (chunk + 1) * UNIT_BYTES);
      if (chunk % holeEvery === holeEvery - 1) {
        content.fill(0, chunk * UNIT_BYTES, end);
        volume.fill(0x99, chunk * UNIT_BYTES, end);
      } else {
        presentChunks[chunk >> 3] = (presentChunks[chunk >> 3] ?? 0) | (1 << (chunk & 7));
      }
    }
    this.base = { size: content.length, presentChunks };
    this.versions = [{ layerId: `${name}-base`, volume: filledMemory(volume), content }];
  }

  get newest(): BuiltVersion {
    const newest = this.versions.at(-1);
    if (newest === undefined) throw new Error('a chain without a base');
    return newest;
  }

  /**
   * Lets a machine change the disk and seals its overlay as the next layer.
   * @param size of the disk from now on, in bytes
   */
  async add(changes: readonly DiskChange[], size = this.newest.content.length): Promise<void> {
    const content = Buffer.alloc(size);
    this.newest.content.copy(content);
    // What no layer owns holds garbage, and so does the rest of a volume that is larger than the disk.
    const data = new MemoryDevice({ size: size + UNIT_BYTES });
    data.write(Buffer.alloc(size + UNIT_BYTES, 0x66), 0, PLAIN);
    const { device, state } = await openFresh({ base: filledMemory(content), data });
    for (const change of changes) await applyChange(device, content, change);
    await device.close();
    const { owned, zeroed } = mapOf(state);
    this.differences.push({ size, owned, zeroed });
    const layerId = `${this.#name}-${this.differences.length}`;
    this.versions.push({ layerId, volume: data, content });
  }

  /** Opens the disk as it was with so many differences, on the volumes or what is put around them. */
  open(
    cache: ReadCache,
    depth = this.differences.length,
    wrap: (volume: BlockDevice, layer: number) => BlockDevice = (volume) => volume,
  ): ReadableBlockDevice {
    const [base, ...above] = this.versions
      .slice(0, depth + 1)
      .map(({ layerId, volume }, layer) => ({ layerId, volume: wrap(handle(volume), layer) }));
    if (base === undefined) throw new Error('a chain without a base');
    const index = buildChainIndex({
      size: this.versions[depth]?.content.length ?? 0,
      base: this.base,
      differences: this.differences.slice(0, depth),
      cacheBlockBytes: cache.blockBytes,
    });
    return openChain({ index, layers: [base, ...above], cache });
  }
}

/** The bits of an overlay, with garbage beyond the disk's end, as a sealed layer has them. */
function mapOf(buffer: SharedArrayBuffer): { owned: Uint8Array; zeroed: Uint8Array } {
  const state = new OverlayState(buffer);
  const { geometry } = state;
  const owned = new Uint8Array(Math.ceil(geometry.blocks / 8));
  state.copyMap(owned, 0);
  const zeroed = new Uint8Array(Math.ceil(geometry.units / 8));
  state.copyMap(zeroed, geometry.ownedPages * 4096);
  for (let bit = geometry.blocks; bit < owned.length * 8; bit++) setBit(owned, bit);
  for (let bit = geometry.units; bit < zeroed.length * 8; bit++) setBit(zeroed, bit);
  return { owned, zeroed };
}

function setBit(bits: Uint8Array, bit: number): void {
  bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7));
}

/** Does it to a disk and to what the disk must hold. */
export async function applyChange(
  device: BlockDevice,
  content: Buffer,
  change: DiskChange,
): Promise<void> {
  const place = Math.floor(change.place * content.length);
  const offset = place - (place % change.round);
  const end = Math.min(content.length, offset + change.length);
  switch (change.kind) {
    case 'write':
      for (let at = offset; at < end; at++) content[at] = (at * 7 + change.fill) & 0xff;
      await device.write(content.subarray(offset, end), offset, PLAIN);
      return;
    case 'zero':
      content.fill(0, offset, end);
      await device.zero(offset, end - offset, PLAIN_ZERO);
      return;
    case 'trim':
      await device.trim(offset, end - offset, PLAIN);
      await device.read(content.subarray(offset, end), offset); // reads as whatever the overlay likes
  }
}
