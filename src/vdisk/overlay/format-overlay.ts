import { type BlockDevice, FUA, PLAIN, PLAIN_ZERO } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { newIncarnation, writeJournalMark } from './journal-mark.ts';
import {
  BOOT_RECORD_OFFSET,
  encodeBootRecord,
  encodeHeader,
  HEADER_OFFSET,
  mapGeometry,
} from './map-layout.ts';

export interface FormatOptions {
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Names this boot of the host: the content of /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
}

/**
 * Makes a map volume the map of a fresh overlay, in which every block is the parent's. On stable
 * storage when it settles. The data volume needs nothing.
 * @throws BlockError EINVAL when the volume is too small; RangeError for a size out of range
 */
export async function formatOverlay(map: BlockDevice, options: FormatOptions): Promise<void> {
  const { totalBytes } = mapGeometry(options.size);
  if (map.geometry.size < totalBytes) {
    const detail = `the map of a disk of ${options.size} bytes needs ${totalBytes} bytes`;
    throw new BlockError('EINVAL', 'open', 0, map.geometry.size, detail);
  }
  await map.zero(0, totalBytes, PLAIN_ZERO);
  await map.write(encodeBootRecord(options.bootId), BOOT_RECORD_OFFSET, PLAIN);
  await writeJournalMark(map, { incarnation: newIncarnation(), sequence: 0 }, 0);
  await map.flush();
  // The header last: a map is whole or none.
  await map.write(encodeHeader(options.size), HEADER_OFFSET, FUA);
}
