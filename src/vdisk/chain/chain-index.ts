/**
 * The index of a chain: one SharedArrayBuffer, built once (build-chain-index.ts), handed to every
 * worker, never changed.
 *
 *     0   words: magic, version, layers, bytes of a cache block, bytes of a unit's entry, mixed units
 *     32  size of the disk (double)
 *     40  size of each layer, the base first (doubles)
 *     …   present: one bit for each 64 KiB unit, clear = all of it reads as zeroes
 *     …   keys: for each cache block (u16), what it is cached under
 *     …   units: for each unit (u16 or u32), what holds its blocks
 *     …   mixed: for each distinct mixture of blocks, what holds each of the 16 (u16)
 *
 * What holds a block is a source: 0 = nothing, it reads as zeroes; n = layer n, the base being 1. A
 * unit's entry is the source of all its blocks, or the number of layers + 1 + the number of its mixture.
 * Equal mixtures are stored once.
 *
 * A key is 2 × (n − 1) for bytes that layer n alone determines, and one more for those which n shares
 * with what lies below it, where n is the uppermost layer that has a say in that cache block.
 *
 * A hit looks at `present` and `keys` only. For a disk of 100 GiB these take 1.8 MiB. Units take 3.1 MiB
 * with fewer than 65,000 mixtures and 6.3 MiB with more, mixtures 32 bytes each: at most 7 MiB in all in
 * the first case and, with every unit a mixture of its own, 58 MiB (1/1800 of the disk). A base that
 * nothing stands on has `present` alone, as openLayer's.
 */
import { BlockError } from '../../errors/index.ts';
import type { SourceMap } from '../gathered-volume.ts';
import { BLOCK_BYTES, BLOCKS_PER_UNIT, UNIT_BYTES } from '../overlay/index.ts';

const MAGIC = 0x52434349; // "RCCI"
const LAYOUT_VERSION = 1;

const WORD = { magic: 0, version: 1, layers: 2, cacheBlock: 3, unitEntry: 4, mixed: 5 } as const;
const SIZE_BYTES = 32;
const SECTION_ALIGNMENT = 8;

/** Bytes of a unit's entry; 0: the chain is a base alone and has neither units nor keys. */
type UnitEntryBytes = 0 | 2 | 4;

export interface ChainIndexShape {
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Of each layer, the base first. */
  readonly layerSizes: readonly number[];
  readonly cacheBlockBytes: number;
  readonly unitEntryBytes: UnitEntryBytes;
  readonly mixedUnits: number;
}

export class ChainIndex implements SourceMap {
  readonly size: number;
  readonly layerSizes: Float64Array;
  readonly cacheBlockBytes: number;
  readonly present: Uint8Array;
  readonly keys: Uint16Array;
  readonly units: Uint16Array | Uint32Array;
  readonly mixed: Uint16Array;
  /** Whether only `present` counts. */
  readonly isBaseAlone: boolean;
  /** Sources above this are mixtures. */
  readonly #layers: number;

  /** @throws BlockError EINVAL when the buffer is not the index of a chain. */
  constructor(buffer: SharedArrayBuffer) {
    const whole = buffer.byteLength >= SIZE_BYTES;
    const words = new Uint32Array(buffer, 0, whole ? SIZE_BYTES / 4 : 0);
    if (words[WORD.magic] !== MAGIC || words[WORD.version] !== LAYOUT_VERSION) {
      throw new BlockError('EINVAL', 'open', 0, 0, 'not the index of a chain');
    }
    const layers = words[WORD.layers] ?? 0;
    this.#layers = layers;
    this.size = new Float64Array(buffer, SIZE_BYTES, 1)[0] ?? 0;
    this.layerSizes = new Float64Array(buffer, SIZE_BYTES + 8, layers);
    this.cacheBlockBytes = words[WORD.cacheBlock] ?? 0;
    const unitEntryBytes = words[WORD.unitEntry] ?? 0;
    this.isBaseAlone = unitEntryBytes === 0;
    const mixedUnits = words[WORD.mixed] ?? 0;
    const at = sections(this.size, layers, this.cacheBlockBytes, unitEntryBytes, mixedUnits);
    this.present = new Uint8Array(buffer, at.present, at.presentBytes);
    this.keys = new Uint16Array(buffer, at.keys, at.cacheBlocks);
    const entries = this.isBaseAlone ? 0 : at.unitCount;
    this.units =
      unitEntryBytes === 4
        ? new Uint32Array(buffer, at.units, entries)
        : new Uint16Array(buffer, at.units, entries);
    this.mixed = new Uint16Array(buffer, at.mixed, mixedUnits * BLOCKS_PER_UNIT);
  }

  /** An index to be filled in. */
  static allocate(shape: ChainIndexShape): SharedArrayBuffer {
    const { size, layerSizes, cacheBlockBytes, unitEntryBytes, mixedUnits } = shape;
    const layers = layerSizes.length;
    const at = sections(size, layers, cacheBlockBytes, unitEntryBytes, mixedUnits);
    const buffer = new SharedArrayBuffer(at.end);
    const words = new Uint32Array(buffer, 0, SIZE_BYTES / 4);
    words[WORD.magic] = MAGIC;
    words[WORD.version] = LAYOUT_VERSION;
    words[WORD.layers] = layers;
    words[WORD.cacheBlock] = cacheBlockBytes;
    words[WORD.unitEntry] = unitEntryBytes;
    words[WORD.mixed] = mixedUnits;
    new Float64Array(buffer, SIZE_BYTES, 1 + layers).set([size, ...layerSizes]);
    return buffer;
  }

  sourceAt(offset: number): number {
    const unit = Math.floor(offset / UNIT_BYTES);
    const entry = this.units[unit] ?? 0;
    if (entry <= this.#layers) return entry;
    const block = Math.floor((offset - unit * UNIT_BYTES) / BLOCK_BYTES);
    return this.mixed[this.#mixtureStart(entry) + block] ?? 0;
  }

  runEnd(offset: number, end: number): number {
    const source = this.sourceAt(offset);
    let at = offset;
    while (at < end) {
      const unit = Math.floor(at / UNIT_BYTES);
      const entry = this.units[unit] ?? 0;
      if (entry <= this.#layers) {
        if (entry !== source) break;
        at = (unit + 1) * UNIT_BYTES;
      } else {
        let block = Math.floor((at - unit * UNIT_BYTES) / BLOCK_BYTES);
        const start = this.#mixtureStart(entry);
        while (block < BLOCKS_PER_UNIT && this.mixed[start + block] === source) block += 1;
        at = Math.max(at, unit * UNIT_BYTES + block * BLOCK_BYTES);
        if (block < BLOCKS_PER_UNIT) break;
      }
    }
    return Math.min(end, at);
  }

  #mixtureStart(entry: number): number {
    return (entry - this.#layers - 1) * BLOCKS_PER_UNIT;
  }
}

/** Where the parts lie, in bytes, and how many entries they have. */
function sections(
  size: number,
  layers: number,
  cacheBlockBytes: number,
  unitEntryBytes: number,
  mixedUnits: number,
) {
  const unitCount = Math.ceil(size / UNIT_BYTES);
  const presentBytes = Math.ceil(unitCount / 8);
  const cacheBlocks = unitEntryBytes === 0 ? 0 : Math.ceil(size / cacheBlockBytes);
  const present = SIZE_BYTES + (1 + layers) * 8;
  const keys = aligned(present + presentBytes);
  const units = aligned(keys + cacheBlocks * 2);
  const mixed = aligned(units + unitCount * unitEntryBytes);
  const end = mixed + mixedUnits * BLOCKS_PER_UNIT * 2;
  return { unitCount, presentBytes, cacheBlocks, present, keys, units, mixed, end };
}

function aligned(offset: number): number {
  return Math.ceil(offset / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
}
