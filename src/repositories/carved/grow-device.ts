/**
 * The device below has grown. Where the metadata region has room for the map of the larger device, a new superblock is
 * all. Otherwise a larger region is made in the new space, with two checkpoints in it, and the superblock moves from one
 * to the other: a crash before that finds the old one as it was, a crash after it the new one.
 *
 * When writing that superblock fails, nobody knows which of the two the device would show after a crash. Both say the
 * same as long as no record is written, so the growth is `settled` before the next one is: the superblock is written
 * again, until it is in both places.
 */
import { volumeTableBytes } from './checkpoint.ts';
import type { ExtentPool } from './extent-pool.ts';
import type { Journal } from './journal.ts';
import {
  extentsOfRegion,
  extentsOn,
  type Region,
  regionBytes,
  regionFor,
  regionHolds,
} from './layout.ts';
import type { MetadataState } from './metadata-state.ts';
import type { Ownership } from './ownership.ts';
import type { Superblock } from './superblock.ts';

type Larger = Pick<Superblock, 'deviceSize' | 'extentCount'> &
  Partial<Pick<Superblock, 'region' | 'minimumGeneration'>>;

export interface DeviceGrowthOptions {
  readonly state: MetadataState;
  readonly journal: Journal;
  readonly ownership: Ownership;
}

export class DeviceGrowth {
  readonly #options: DeviceGrowthOptions;
  /** A superblock that may be on the device, or not. */
  #unsettled: Larger | undefined;
  /** Told of the new extents; undefined: it is made later, from what there is then. */
  pool: ExtentPool | undefined;

  constructor(options: DeviceGrowthOptions) {
    this.#options = options;
  }

  /** Whether a device of so many bytes has more extents than are in use. */
  isLarger(deviceSize: number): boolean {
    return this.#plan(deviceSize) !== undefined;
  }

  /**
   * Between two commits only.
   * @param deviceSize bytes
   * @returns whether there are more extents than before
   * @throws BlockError ESTALE: it is another server's; what writing failed with: nothing has changed, or `settle` goes on
   */
  async grow(deviceSize: number): Promise<boolean> {
    const { journal, ownership } = this.#options;
    await this.settle();
    const plan = this.#plan(deviceSize);
    if (plan === undefined) return false;
    let larger: Larger = plan;
    if (plan.region !== undefined) {
      await ownership.verify();
      const verify = (): Promise<void> => ownership.verify();
      const minimumGeneration = await journal.moveTo(plan.region, verify);
      larger = { ...plan, minimumGeneration };
    }
    this.#unsettled = larger;
    await this.settle();
    return true;
  }

  /** Nothing is in doubt any more. Between two commits only. @throws BlockError it still is */
  async settle(): Promise<void> {
    const larger = this.#unsettled;
    if (larger === undefined) return;
    const { state, ownership } = this.#options;
    const before = ownership.superblock;
    await ownership.update(larger);
    this.#unsettled = undefined;
    state.growDevice(larger.extentCount);
    // Where the metadata was before, if it was among the extents, volumes may be now.
    const left = larger.region === undefined ? { first: 0, end: 0 } : extentsOfRegion(before);
    this.pool?.grow(larger.extentCount, left);
  }

  /** What the superblock says of a device of that size; undefined: as it is now. */
  #plan(deviceSize: number): Larger | undefined {
    const { state, ownership } = this.#options;
    const { dataStart, extentSize, extentCount, region, ...superblock } = ownership.superblock;
    const grown = extentsOn(deviceSize, dataStart, extentSize);
    if (deviceSize <= superblock.deviceSize || grown <= extentCount) return undefined;
    const table = volumeTableBytes(state);
    const larger = { deviceSize, extentCount: grown };
    if (regionHolds(region, grown, table)) return larger;
    const moved = regionFor(dataStart + extentCount * extentSize, grown, table);
    const needed = Math.ceil(regionBytes(moved) / extentSize);
    if (extentCount + needed >= grown) return undefined; // so little that the map would take it all
    return { ...larger, region: moved };
  }
}

/** Whether the metadata region lies in the extent. */
export function isInRegion(
  layout: {
    readonly extentSize: number;
    readonly extentCount: number;
    readonly dataStart: number;
    readonly region: Region;
  },
  extent: number,
): boolean {
  const { first, end } = extentsOfRegion(layout);
  return extent >= first && extent < end;
}
