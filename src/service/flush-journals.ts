/**
 * The flush journals of the workers, as the control thread sees them: what a crash left in them goes into
 * the overlays before anybody is served, then every worker gets a fresh one.
 *
 *   volume names   journal.<number>, two for each worker; the numbers only grow
 */
import { forEachOf } from '../base/index.ts';
import type { BlockDevice } from '../block/index.ts';
import type { NewEvent } from '../control/index.ts';
import { BlockError, Fault } from '../errors/index.ts';
import { deleteVolumes, type VolumeLocator } from '../repositories/index.ts';
import {
  JOURNAL_SEGMENT_LEAST_BYTES,
  type JournalDamage,
  type ReplayRecord,
  readRecords,
  readSegmentHeader,
  readWithoutHeader,
  replayOverlay,
} from '../vdisk/index.ts';
import type { Repository } from './repository.ts';

export type JournalSegments = readonly [VolumeLocator, VolumeLocator];

export interface FlushJournals {
  /** One entry a worker; undefined: flushes sync each overlay's own volumes. */
  readonly ofWorker: (worker: number) => JournalSegments | undefined;
  /** Overlays, by their data volume, whose flushed writes could not be restored, and why. */
  readonly unrestored: ReadonlyMap<string, unknown>;
  /** What was on stable storage in a journal and could not be read; each is told. */
  readonly damages: readonly FoundDamage[];
  /** Why not every worker has a journal although it should: flushes are slower, and nothing else. */
  readonly failure: unknown;
}

export interface FoundDamage extends JournalDamage {
  /** The journal's volume. */
  readonly journal: string;
}

/**
 * No crash of the host does this to a journal: its disk does, or whoever wrote there. What it means is told, because
 * what was flushed may be missing where nobody can say whose it was.
 */
export function damageEvent({ journal, from, to, claims }: FoundDamage): NewEvent {
  const overlays = [...new Set(claims.map(({ key }) => key.replace(DATA, '')))];
  const whose =
    overlays.length === 0
      ? 'nobody can say of which write caches they were'
      : `those of ${overlays.join(', ')} are refused if they need them; there may have been others`;
  return {
    kind: 'service.journal-damaged',
    subject: 'service',
    message: `bytes ${from} to ${to} of flush journal ${journal} are damaged: flushed writes that were there are lost if the host died before they were settled; ${whose}`,
    data: { journal, from, to, writeCaches: overlays },
  };
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
  const { unrestored, damages } = await restore(repository, found, locators, options.bootId);
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
  return { ofWorker: (worker) => segments.get(worker), unrestored, damages, failure };
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
): Promise<{
  readonly unrestored: ReadonlyMap<string, unknown>;
  readonly damages: readonly FoundDamage[];
}> {
  const unrestored = new Map<string, unknown>();
  const segments: Segment[] = [];
  const damages: FoundDamage[] = [];
  try {
    for (const { id, locator } of journals) {
      segments.push({ id, device: await repository.data.open(locator, { write: false }) });
    }
    const found = await findRecords(segments, bootId, damages);
    await forEachOf(found, RESTORES_AT_ONCE, async ([key, records]) => {
      try {
        await restoreOverlay(repository, locators, key, records, bootId);
      } catch (error) {
        unrestored.set(key, error);
      }
    });
  } finally {
    await Promise.all(segments.map(({ device }) => device.close()));
  }
  return { unrestored, damages };
}

interface Segment {
  readonly id: string;
  readonly device: BlockDevice;
}

/**
 * The records of all journals, by overlay. Their data stays where it is. Those that are damaged are among them: an
 * overlay that needs one is not restored.
 */
async function findRecords(
  segments: readonly Segment[],
  bootId: string,
  damages: FoundDamage[],
): Promise<Map<string, ReplayRecord[]>> {
  const all = new Map<string, ReplayRecord[]>();
  const add = (record: ReplayRecord): void => {
    const ofKey = all.get(record.key) ?? [];
    all.set(record.key, ofKey);
    ofKey.push(record);
  };
  for (const { id, device } of segments) {
    const header = await readSegmentHeader(device);
    // Without a header nobody knows when it was begun; then the overlay's map says whether the host died since.
    const sameBoot = header === undefined || header.bootId === bootId;
    const damaged = (damage: JournalDamage): void => {
      damages.push({ journal: id, ...damage });
      for (const claim of damage.claims) add(lostRecord(id, claim, sameBoot));
    };
    if (header === undefined) {
      const damage = await readWithoutHeader(device);
      if (damage !== undefined) damaged(damage);
      continue;
    }
    for await (const { data, dataAt, ...record } of readRecords(device, header, damaged)) {
      const { length } = data;
      const load = async (): Promise<Buffer> => {
        const bytes = Buffer.allocUnsafeSlow(length);
        await device.read(bytes, dataAt);
        return bytes;
      };
      add({ ...record, sameBoot, load });
    }
  }
  return all;
}

function lostRecord(
  journal: string,
  claim: JournalDamage['claims'][number],
  sameBoot: boolean,
): ReplayRecord {
  const load = (): never => {
    const detail = `flush ${claim.sequence} of ${claim.key} is damaged in ${journal}`;
    throw new BlockError('EIO', 'read', 0, 0, detail);
  };
  return { ...claim, ranges: [], sameBoot, load };
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
