/**
 * Which pages of the map may hold something: one bit for each group of neighbouring map pages, kept in
 * the page of the boot record. With it, opening an overlay costs what was touched and not what the
 * disk's size would allow: a disk of 100 GiB has 850 map pages in each of two maps, and most machines
 * touch a few dozen.
 *
 * A bit that is set for nothing costs a look. A bit that is clear although its pages hold something
 * hides blocks, so that must never be believed. The summary is believed exactly when the live map is:
 *
 *     while the boot record names this boot of the host, and says that the summary is kept, every map
 *     page that differs from zeroes *in the page cache*, live or durable, has its bit set there
 *
 * Every change keeps this, and so does death between any two of its steps:
 *
 *     first touch    the bit is written, then it is set in shared memory, then the durable page gets
 *                    its zeroes, then the live page is written. One write begins when the one before has
 *                    returned, all under the state mutex, and what a process has written the page
 *                    cache keeps when it is killed: death after the first step leaves a bit set for
 *                    nothing. That write covers one sector and only ever sets bits, so one that was
 *                    cut short has set some of what was set already, and perhaps the new bit
 *     later touch    the bit is set, on disk before it is in memory: whichever worker set it
 *     flush          writes pages that were touched before, durable ones only
 *     format         both maps and the summary are zeroes before the boot record is there
 *     recovery       without the promise above all of both maps is read. The live map is repaired, then
 *                    the summary is written, and last the boot record that promises it: dying earlier
 *                    leaves the record of another boot, none, or one that promises nothing, and the
 *                    next recovery begins again
 *     failed flush   the boot record goes (durable-map.ts) and the promise with it
 *
 * The death of the host may leave any mixture of old and new sectors: a page of the durable map whose
 * bit was lost, or the other way round. It also changes the boot id, and nothing of the summary is
 * believed then. So nothing needs to be synced before or together with anything else, and a flush
 * costs what it cost before. The price is one look at both whole maps after a restart of the host.
 */
import { chain, type MaybePromise } from '../../base/index.ts';
import { type BlockDevice, PLAIN } from '../../block/index.ts';
import { SUMMARY_OFFSET } from './map-layout.ts';
import type { OverlayState } from './overlay-state.ts';

/** The summary is written in pieces of this many bytes, the least that any volume takes. */
const SECTOR_BYTES = 512;

export class TouchedSummary {
  readonly #state: OverlayState;
  readonly #map: BlockDevice;

  constructor(state: OverlayState, map: BlockDevice) {
    this.#state = state;
    this.#map = map;
  }

  /** When it is done the page may be written to. Under the state mutex. */
  announce(page: number): MaybePromise<void> {
    const { touched, summaryBytes, geometry } = this.#state;
    const group = Math.floor(page / geometry.groupPages);
    if (touched.test(group)) return undefined;
    const start = Math.floor(group / 8 / SECTOR_BYTES) * SECTOR_BYTES;
    const sector = Buffer.from(summaryBytes.slice(start, start + SECTOR_BYTES));
    const index = Math.floor(group / 8) - start;
    sector[index] = (sector[index] ?? 0) | (1 << (group % 8));
    return chain(this.#map.write(sector, SUMMARY_OFFSET + start, PLAIN), () => {
      touched.set(group, group + 1);
    });
  }

  /** Writes all of it, after a recovery that has found out what it must say. */
  store(): MaybePromise<void> {
    return this.#map.write(Buffer.from(this.#state.summaryBytes.slice()), SUMMARY_OFFSET, PLAIN);
  }
}
