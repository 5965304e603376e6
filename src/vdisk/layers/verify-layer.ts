/**
 * Compares a layer with its manifest: reads its disk through the chain and hashes it. The manifest is
 * looked through first; one that is damaged cannot judge anything.
 *
 * A chunk in which no layer has data reads as zeroes and is not read. If the manifest says that it is not
 * all zeroes, it is damaged.
 */
import { setTimeout } from 'node:timers/promises';
import { DifferenceMap } from '../chain/index.ts';
import { ManifestCursor } from '../manifest/index.ts';
import { bothOf, bytesOf, eitherOf, forEachWindow } from './chunk-windows.ts';
import { type DamagedChunk, damageOf } from './damage.ts';
import { surveyDifference } from './difference-survey.ts';
import {
  type ChainMaps,
  type LayerChain,
  openLayeredDisk,
  readChainMaps,
  topOf,
} from './layer-chain.ts';
import type { LayerWork } from './layer-work.ts';
import { asLayerWork, checkCancelled } from './storage-fault.ts';
import { wholeManifest } from './whole-manifest.ts';

export interface VerifyRequest {
  /** Ends with the layer to verify. */
  readonly chain: LayerChain;
  /** Only chunks of which this layer decides a block; of a base, all. */
  readonly onlyOwn: boolean;
  /** Most bytes read in a second, on average; undefined: as fast as it goes. */
  readonly bytesPerSecond?: number;
  readonly onDamage: (damage: DamagedChunk) => void;
}

export interface VerifyWork extends LayerWork {
  /** Milliseconds, monotonic; performance.now unless given. */
  readonly now?: () => number;
  /** Waits for so many milliseconds; a timer unless given. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export interface VerifiedLayer {
  /** Of the manifest, hex; it is right. */
  readonly contentId: string;
  readonly chunks: number;
  /** Bytes of these. */
  readonly bytes: number;
  readonly damagedChunks: number;
}

/**
 * @throws Fault IMAGE_INVALID (the manifest itself or a layer's map is damaged), NOT_FOUND, CANCELLED,
 *   INVALID_INPUT, LIMIT_EXCEEDED, UNAVAILABLE (a volume cannot be opened, or fails with anything but EIO)
 */
export async function verifyLayer(
  request: VerifyRequest,
  work: VerifyWork,
): Promise<VerifiedLayer> {
  const { chain } = request;
  const name = `verifying layer ${topOf(chain).layerId}`;
  return asLayerWork(name, work.signal, async () => {
    const manifest = await wholeManifest(work.layersFolder, topOf(chain));
    const maps = await readChainMaps(chain, work.layersFolder);
    const size = topOf(chain).size;
    const disk = await openLayeredDisk({ size, ...maps }, chain, work.volumeData);
    const cursor = await ManifestCursor.open(manifest.path);
    try {
      const present = eitherOf(disk.presentChunks, manifest.presentChunks);
      const own = request.onlyOwn ? await ownChunks(maps, size) : undefined;
      const chunks = own === undefined ? present : bothOf(own, present);
      const bytes = bytesOf(chunks, size);
      const pace = new Pace(request.bytesPerSecond, work);
      let checked = 0;
      let bytesDone = 0;
      let damagedChunks = 0;
      const cancelCheck = (): void => checkCancelled(name, work.signal);
      const source = { device: disk.device, chunks, checkCancelled: cancelCheck };
      await forEachWindow(source, async (window) => {
        const before = bytesDone;
        for (const chunk of window.chunks) {
          const damage = damageOf(chunk, await cursor.hashOf(chunk.chunk), disk);
          checked += 1;
          bytesDone += chunk.length;
          if (damage === undefined) continue;
          damagedChunks += 1;
          request.onDamage(damage);
        }
        work.progress({ bytesDone, bytesTotal: bytes });
        await pace.spent(bytesDone - before);
      });
      return { contentId: manifest.contentId, chunks: checked, bytes, damagedChunks };
    } finally {
      await cursor.close();
      await disk.close();
    }
  });
}

/** Undefined: all of them. */
async function ownChunks(maps: ChainMaps, size: number): Promise<Uint8Array | undefined> {
  const top = maps.differences.at(-1);
  if (top === undefined) return undefined;
  return (await surveyDifference(new DifferenceMap(top), size)).touched;
}

/** Keeps work to so many bytes a second, counted from when it began. */
class Pace {
  readonly #bytesPerSecond: number | undefined;
  readonly #now: () => number;
  readonly #sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly #signal: AbortSignal;
  readonly #start: number;
  #bytes = 0;

  constructor(bytesPerSecond: number | undefined, work: VerifyWork) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = work.now ?? (() => performance.now());
    this.#sleep =
      work.sleep ?? ((milliseconds, signal) => setTimeout(milliseconds, undefined, { signal }));
    this.#signal = work.signal;
    this.#start = this.#now();
  }

  async spent(bytes: number): Promise<void> {
    if (this.#bytesPerSecond === undefined) return;
    this.#bytes += bytes;
    const due = this.#start + (this.#bytes / this.#bytesPerSecond) * 1000;
    const early = due - this.#now();
    if (early > 0) await this.#sleep(early, this.#signal);
  }
}
