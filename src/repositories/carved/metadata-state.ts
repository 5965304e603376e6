/**
 * The volumes of a device and where their extents lie: what a checkpoint and the journal's records after it amount to.
 * Records are applied when they are read back and when they have been written, by the same code.
 */
import { ExtentMap } from './extent-map.ts';
import { CARVED_EXTENTS, CARVED_VOLUMES } from './limits.ts';
import type { MetadataRecord, VolumeEntry } from './records.ts';
import { VolumeWords } from './shared-words.ts';

export class CarvedVolume {
  readonly number: number;
  readonly id: string;
  readonly name: string;
  readonly tag: string;
  readonly thin: boolean;
  readonly createdAt: number;
  /** Bytes. */
  size: number;
  /** Bytes up to which extents may be mapped: more than `size` while it grows. */
  reserved: number;
  /** false: it is still being made. */
  ready = false;
  /** Mapped extents. */
  mapped = 0;
  readonly map = new ExtentMap();
  readonly words = new VolumeWords();
  /** Settles when no request is left that looked at the map before. */
  readonly drained = (): Promise<void> => this.words.drained();
  /** It is being deleted: nobody may open it any more. */
  closing = false;

  constructor(entry: VolumeEntry) {
    this.number = entry.volume;
    this.id = entry.id;
    this.name = entry.name;
    this.tag = entry.tag;
    this.thin = entry.thin;
    this.createdAt = entry.createdAt;
    this.size = entry.size;
    this.reserved = entry.size;
  }
}

/** What a record says that cannot be. */
export interface Contradiction {
  readonly code: 'double-extent' | 'beyond-device' | 'beyond-volume' | 'unknown-volume' | 'twice';
  readonly message: string;
}

export class MetadataState {
  readonly volumes = new Map<number, CarvedVolume>();
  readonly #byId = new Map<string, CarvedVolume>();
  readonly #byTag = new Map<string, CarvedVolume>();
  readonly extentSize: number;
  extentCount: number;
  /** Number of the next volume. */
  nextVolume = 1;
  /** Bit e: extent e is mapped. */
  #mapped: Uint32Array;
  #mappedCount = 0;

  constructor(extentSize: number, extentCount: number) {
    this.extentSize = extentSize;
    this.extentCount = extentCount;
    this.#mapped = new Uint32Array(Math.ceil(extentCount / 32));
  }

  get mappedCount(): number {
    return this.#mappedCount;
  }

  isMapped(extent: number): boolean {
    return (((this.#mapped[extent >>> 5] ?? 0) >>> (extent & 31)) & 1) === 1;
  }

  /** Extents that a volume of so many bytes has. */
  extentsOf(bytes: number): number {
    return Math.ceil(bytes / this.extentSize);
  }

  /** The device has more extents now. */
  growDevice(extentCount: number): void {
    const grown = new Uint32Array(Math.ceil(extentCount / 32));
    grown.set(this.#mapped);
    this.#mapped = grown;
    this.extentCount = extentCount;
  }

  byId(id: string): CarvedVolume | undefined {
    return this.#byId.get(id);
  }

  byTag(tag: string): CarvedVolume | undefined {
    return this.#byTag.get(tag);
  }

  /**
   * What cannot be applied is left out and reported, the rest of the record is applied.
   * @param freed is told each extent that no volume has any more
   */
  apply(record: MetadataRecord, freed?: (extent: number) => void): Contradiction | undefined {
    if ('size' in record && this.extentsOf(record.size) > CARVED_EXTENTS) {
      return { code: 'beyond-volume', message: `a volume of ${record.size} bytes` };
    }
    if (record.kind === 'create') return this.#create(record);
    const volume = this.volumes.get(record.volume);
    if (volume === undefined) {
      const message = `a record of volume ${record.volume}, which does not exist`;
      return { code: 'unknown-volume', message };
    }
    switch (record.kind) {
      case 'ready':
        volume.ready = true;
        return undefined;
      case 'delete':
        this.#unmap(volume, 0, this.extentsOf(volume.reserved), freed);
        this.volumes.delete(volume.number);
        this.#byId.delete(volume.id);
        this.#byTag.delete(volume.tag);
        return undefined;
      case 'reserve':
        volume.reserved = Math.max(volume.size, record.size);
        volume.map.grow(this.extentsOf(volume.reserved));
        return undefined;
      case 'resize':
        volume.size = Math.max(volume.size, record.size);
        volume.reserved = volume.size;
        volume.map.grow(this.extentsOf(volume.size));
        return undefined;
      case 'map':
        return this.#map(volume, record.logical, record.physical, record.count);
      case 'unmap':
        this.#unmap(volume, record.logical, record.count, freed);
        return undefined;
    }
  }

  #create(entry: VolumeEntry): Contradiction | undefined {
    const known = this.#byId.has(entry.id) || this.#byTag.has(entry.tag);
    if (known || this.volumes.has(entry.volume) || this.volumes.size >= CARVED_VOLUMES) {
      return { code: 'twice', message: `volume ${entry.id} is made a second time` };
    }
    const volume = new CarvedVolume(entry);
    volume.map.grow(this.extentsOf(entry.size));
    this.volumes.set(entry.volume, volume);
    this.#byId.set(entry.id, volume);
    this.#byTag.set(entry.tag, volume);
    this.nextVolume = Math.max(this.nextVolume, entry.volume + 1);
    return undefined;
  }

  #map(
    volume: CarvedVolume,
    logical: number,
    physical: number,
    count: number,
  ): Contradiction | undefined {
    const end = this.extentsOf(volume.reserved);
    let found: Contradiction | undefined;
    for (let i = 0; i < count; i++) {
      const extent = physical + i;
      const place = `extent ${extent} of the device as extent ${logical + i} of volume ${volume.id}`;
      if (extent >= this.extentCount) {
        found ??= { code: 'beyond-device', message: `${place} lies beyond the device's end` };
      } else if (logical + i >= end) {
        found ??= { code: 'beyond-volume', message: `${place} lies beyond the volume's end` };
      } else if (this.isMapped(extent) || volume.map.get(logical + i) !== 0) {
        found ??= { code: 'double-extent', message: `${place} is mapped twice` };
      } else {
        this.#mark(extent);
        volume.map.set(logical + i, extent + 1);
        volume.mapped += 1;
      }
    }
    return found;
  }

  #unmap(
    volume: CarvedVolume,
    logical: number,
    count: number,
    freed: ((extent: number) => void) | undefined,
  ): void {
    const end = Math.min(logical + count, volume.map.room);
    for (let index = logical; index < end; index++) {
      const entry = volume.map.get(index);
      if (entry === 0) continue;
      volume.map.set(index, 0);
      volume.mapped -= 1;
      this.#clear(entry - 1);
      freed?.(entry - 1);
    }
  }

  #mark(extent: number): void {
    const word = extent >>> 5;
    this.#mapped[word] = (this.#mapped[word] ?? 0) | (1 << (extent & 31));
    this.#mappedCount += 1;
  }

  #clear(extent: number): void {
    const word = extent >>> 5;
    this.#mapped[word] = (this.#mapped[word] ?? 0) & ~(1 << (extent & 31));
    this.#mappedCount -= 1;
  }
}
