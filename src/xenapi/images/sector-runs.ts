/** A sector bitmap of a VHD, in runs. Pure. */
import { VHD_SECTOR_BYTES } from '../../vdisk/index.ts';

export interface SectorRun {
  readonly isWritten: boolean;
  /** Bytes, counted from the first sector that was asked for. */
  readonly start: number;
  readonly end: number;
}

/**
 * @param bitmap the most significant bit of its first byte is sector 0
 * @param first sector; a multiple of 8
 * @param length bytes, whole sectors
 */
export function* sectorRuns(bitmap: Buffer, first: number, length: number): Generator<SectorRun> {
  const last = first + length / VHD_SECTOR_BYTES;
  for (let sector = first; sector < last; ) {
    const isWritten = isSet(bitmap, sector);
    const whole = isWritten ? 0xff : 0;
    let next = sector + 1;
    while (next < last) {
      if (next % 8 === 0 && last - next >= 8 && bitmap[next >> 3] === whole) next += 8;
      else if (isSet(bitmap, next) === isWritten) next += 1;
      else break;
    }
    const start = (sector - first) * VHD_SECTOR_BYTES;
    yield { isWritten, start, end: (next - first) * VHD_SECTOR_BYTES };
    sector = next;
  }
}

function isSet(bitmap: Buffer, sector: number): boolean {
  return (((bitmap[sector >> 3] ?? 0) >> (7 - (sector & 7))) & 1) === 1;
}
