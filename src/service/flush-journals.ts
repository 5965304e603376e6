/**
 * The flush journals of the workers, as the control thread sees them: what a crash left in them goes into
 * the overlays before anybody is served, then every worker gets a fresh one.
 *
 *   volume names   journal.<number>, two for each worker; the numbers only grow
 */
import { forEachOf } from '../base/index.ts';
import type { BlockDevice } from '../block/index.ts';
import { Fault } from '../errors/index.ts';
import { deleteVolumes, type VolumeLocator } from '../repositories/index.ts';
import {
  JOURNAL_SEGMENT_LEAST_BYTES,
  type ReplayRecord,
  readRecords,
  readSegmentHeader,
  replayOverlay,
} from '../vdisk/index.ts';
import type { Repository } from './repository.ts';

export type JournalSegments = readonly [VolumeLocator, VolumeLocator];

export interface FlushJournals {
  /** One entry a worker; undefined: flushes sync each overlay's own volumes. */
  readonly ofWorker: (worker: number) => JournalSegments | undefined;
  /** Overlays, by their data volume, whose flushed writes could not be restored, and why. */
  readonly unrestored: ReadonlyMap<string, unknown>;
  /** Why not every worker has a journal although it should: flushes are slower, and nothing else. */
  readonly failure: unknown;
}

const NAME = /^journal\.(\d+)$/;
const DATA = /\.data$/;

/** Overlays restored at the same time. */
const RESTORES_AT_ONCE = 8;

/**
 * @param options.bytes of each worker's journal; 0: none
 * @throws Fault INVALID_INPUT for a size that is too small, and what the repository throws when what a
 *   crash left cannot be read
 */
export async function openFlushJournals(options: {
  readonly repository: Repository;
  readonly bootId: string;
  readonly workers: number;
  readonly bytes: number;
}): Promise<FlushJournals> {
  const { repository, workers, bytes } = options;
  checkSize(bytes);
  const volumes = await repository.volumes.listVolumes();
  const found = volumes.filter(({ id }) => NAME.test(id));
  const locators = new Map(volumes.map(({ id, locator }) => [id, locator]));
  const unrestored = await restore(repository, found, locators, options.bootId);
  if (unrestored.size === 0) {
    await deleteVolumes(
      repository.volumes,
      found.map(({ id }) => id),
    );
  }
  const last = Math.max(0, ...found.map(({ id }) => Number(NAME.exec(id)?.[1])));
  const segments = new Map<number, JournalSegments>();
  let failure: unknown;
  try {
    for (let worker = 0; worker < (bytes === 0 ? 0 : workers); worker += 1) {
      segments.set(worker, await makeSegments(repository, last + 2 * worker, bytes));
    }
  } catch (error) {
    failure = error;
  }
  return { ofWorker: (worker) => segments.get(worker), unrestored, failure };
}

async function makeSegments(
  { volumes }: Repository,
  last: number,
  bytes: number,
): Promise<JournalSegments> {
  const make = async (number: number): Promise<VolumeLocator> =>
    (await volumes.createVolume({ id: `journal.${number}`, size: Math.floor(bytes / 2) })).locator;
  return [await make(last + 1), await make(last + 2)];
}

function checkSize(bytes: number): void {
  const least = 2 * JOURNAL_SEGMENT_LEAST_BYTES;
  if (bytes === 0 || bytes >= least) return;
  throw new Fault('INVALID_INPUT', `cache.journal: ${bytes} bytes is too small`, {
    field: 'cache.journal',
    value: bytes,
    expected: `0 (no journal), or at least ${least} bytes`,
  });
}

type Found = readonly { readonly id: string; readonly locator: VolumeLocator }[];

async function restore(
  repository: Repository,
  journals: Found,
  locators: ReadonlyMap<string, VolumeLocator>,
  bootId: string,
): Promise<Map<string, unknown>> {
  const unrestored = new Map<string, unknown>();
  const segments: BlockDevice[] = [];
  try {
    for (const { locator } of journals) {
      segments.push(await repository.data.open(locator, { write: false }));
    }
    const found = await findRecords(segments, bootId);
    await forEachOf(found, RESTORES_AT_ONCE, async ([key, records]) => {
      try {
        await restoreOverlay(repository, locators, key, records, bootId);
      } catch (error) {
        unrestored.set(key, error);
      }
    });
  } finally {
    await Promise.all(segments.map((segment) => segment.close()));
  }
  return unrestored;
}

/** The records of all journals, by overlay. Their data stays where it is. */
async function findRecords(
  segments: readonly BlockDevice[],
  bootId: string,
): Promise<Map<string, ReplayRecord[]>> {
  const all = new Map<string, ReplayRecord[]>();
  for (const segment of segments) {
    const header = await readSegmentHeader(segment);
    if (header === undefined) continue;
    const sameBoot = header.bootId === bootId;
    for await (const { data, dataAt, ...record } of readRecords(segment, header)) {
      const { length } = data;
      const load = async (): Promise<Buffer> => {
        const bytes = Buffer.allocUnsafeSlow(length);
        await segment.read(bytes, dataAt);
        return bytes;
      };
      const ofKey = all.get(record.key) ?? [];
      all.set(record.key, ofKey);
      ofKey.push({ ...record, sameBoot, load });
    }
  }
  return all;
}

async function restoreOverlay(
  repository: Repository,
  locators: ReadonlyMap<string, VolumeLocator>,
  key: string,
  records: readonly ReplayRecord[],
  bootId: string,
): Promise<void> {
  const dataVolume = locators.get(key);
  const mapVolume = locators.get(key.replace(DATA, '.map'));
  // Renewed or removed since: nobody needs its writes any more.
  if (dataVolume === undefined || mapVolume === undefined) return;
  const map = await repository.data.open(mapVolume, { write: true });
  let data: BlockDevice;
  try {
    data = await repository.data.open(dataVolume, { write: true });
  } catch (error) {
    await map.close();
    throw error;
  }
  await replayOverlay({ map, data, bootId, records });
}
