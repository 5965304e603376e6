/**
 * The device below has grown. Where the metadata region has room for the map of the larger device, a new superblock is
 * all. Otherwise a larger region is made in the new space, with two checkpoints in it, and the superblock moves from one
 * to the other: a crash before that finds the old one as it was, a crash after it the new one.
 */
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

/**
 * Between two commits only.
 * @param deviceSize bytes
 * @returns whether there are more extents than before
 * @throws BlockError when writing fails: nothing has changed, or the device must be attached again
 */
export async function growDevice(
  parts: {
    readonly state: MetadataState;
    readonly journal: Journal;
    readonly ownership: Ownership;
  },
  deviceSize: number,
): Promise<boolean> {
  const { state, journal, ownership } = parts;
  const { dataStart, extentSize, extentCount, region } = ownership.superblock;
  const grown = extentsOn(deviceSize, dataStart, extentSize);
  if (deviceSize <= ownership.superblock.deviceSize || grown <= extentCount) return false;
  if (regionHolds(region, grown)) {
    await ownership.update({ deviceSize, extentCount: grown });
    state.growDevice(grown);
    return true;
  }
  const moved = regionFor(dataStart + extentCount * extentSize, grown);
  const needed = Math.ceil(regionBytes(moved) / extentSize);
  if (extentCount + needed >= grown) return false; // so little that the map would take it all
  await ownership.verify();
  const minimumGeneration = await journal.moveTo(moved);
  await ownership.update({ deviceSize, extentCount: grown, region: moved, minimumGeneration });
  state.growDevice(grown);
  return true;
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
