/** A host that may die, with one overlay whose flushes go through journals. */
import {
  type BlockDevice,
  type FaultPlan,
  FaultyDevice,
  MemoryDevice,
  PLAIN,
} from '../../../../src/block/index.ts';
import {
  type FlushJournal,
  formatOverlay,
  JOURNAL_SEGMENT_LEAST_BYTES,
  openOverlay,
  overlayMapBytes,
  type ReplayRecord,
  readRecords,
  readSegmentHeader,
  recoverOverlay,
  replayOverlay,
} from '../../../../src/vdisk/index.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { preparedJournal } from '../../../support/prepared-journal.ts';
import { seededRandom } from '../../../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

export const BLOCK = 4096;
export const UNIT = 64 * 1024;
/** Its last block is short. */
export const SIZE = 2 * UNIT + 3 * BLOCK + 512;
export const LAST = SIZE - 512;
/** What the base holds. */
export const BASE = 9;

type Role = 'data' | 'map';
export type Plan = (role: Role) => FaultPlan;

/** A host with one overlay that two workers have open, each with a journal. Journals are never deleted. */
export class Host {
  readonly data: VolatileDisk;
  readonly map = new VolatileDisk(overlayMapBytes(SIZE));
  segments: VolatileDisk[] = [];
  readonly random = seededRandom();
  boot = 1;
  stopped = 0;
  #handles: VolatileDevice[] = [];

  private constructor(dataSize: number) {
    this.data = new VolatileDisk(dataSize);
  }

  static async make(dataSize = SIZE): Promise<Host> {
    const host = new Host(dataSize);
    await formatOverlay(host.open(host.map), { size: SIZE, bootId: host.bootId });
    return host;
  }

  get bootId(): string {
    return `boot-${this.boot}`;
  }

  open(disk: VolatileDisk): VolatileDevice {
    const device = new VolatileDevice(disk, this.random);
    this.#handles.push(device);
    return device;
  }

  async records(): Promise<ReplayRecord[]> {
    const records: ReplayRecord[] = [];
    for (const disk of this.segments) {
      const segment = this.open(disk);
      const header = await readSegmentHeader(segment);
      if (header === undefined) continue;
      const sameBoot = header.bootId === this.bootId;
      for await (const { data, ...record } of readRecords(segment, header)) {
        const bytes = Buffer.from(data);
        records.push({ ...record, sameBoot, load: () => bytes });
      }
    }
    return records;
  }

  async restore(options: { slowly?: boolean } = {}): Promise<number> {
    const plan: FaultPlan = () =>
      options.slowly === true ? { delay: eventLoopTurns(1) } : undefined;
    const map = new FaultyDevice(this.open(this.map), plan);
    const data = new FaultyDevice(this.open(this.data), plan);
    const { bootId } = this;
    return replayOverlay({ map, data, bootId, records: await this.records() });
  }

  /** Opens the overlay in both workers; with journals, which are ready when it returns. */
  async start(
    options: { journal?: boolean; plan?: Plan } = {},
  ): Promise<readonly [BlockDevice, BlockDevice]> {
    const { journal: wanted = true, plan = () => () => undefined } = options;
    const { bootId } = this;
    const state = await recoverOverlay({
      map: this.open(this.map),
      size: SIZE,
      bootId,
      quotaBytes: undefined,
      workers: 2,
    });
    const open = async (worker: number): Promise<BlockDevice> => {
      const base = new MemoryDevice({ size: SIZE });
      base.write(Buffer.alloc(SIZE, BASE), 0, PLAIN);
      return openOverlay({
        state,
        base,
        data: new FaultyDevice(this.open(this.data), plan('data')),
        map: new FaultyDevice(this.open(this.map), plan('map')),
        worker,
        onFull: () => {},
        journal: wanted ? { journal: await this.#journal(), key: 'overlay' } : undefined,
      });
    };
    const devices = [await open(0), await open(1)] as const;
    await devices[0].flush(); // the first one after a start syncs the volumes
    return devices;
  }

  async #journal(): Promise<FlushJournal> {
    const disks = [0, 1].map(() => new VolatileDisk(JOURNAL_SEGMENT_LEAST_BYTES));
    this.segments.push(...disks);
    const [first, second] = disks.map((disk) => this.open(disk));
    const segments = [first as BlockDevice, second as BlockDevice] as const;
    return preparedJournal(segments, this.bootId, () => {
      this.stopped += 1;
    });
  }

  /** @param keep how likely an unsynced sector is on disk */
  die(what: 'process' | 'host', keep = 0): void {
    for (const each of this.#handles.splice(0)) each.kill();
    if (what === 'process') return;
    this.boot += 1;
    for (const disk of [this.data, this.map, ...this.segments]) disk.powerLoss(this.random, keep);
  }

  /** Restores what the journals hold and reads bytes of the overlay. */
  async after(...offsets: readonly number[]): Promise<number[]> {
    await this.restore();
    const [device] = await this.start({ journal: false });
    return bytesAt(device, ...offsets);
  }
}

export async function bytesAt(
  device: BlockDevice,
  ...offsets: readonly number[]
): Promise<number[]> {
  const byte = Buffer.alloc(1);
  const found: number[] = [];
  for (const offset of offsets) {
    await device.read(byte, offset);
    found.push(byte[0] ?? -1);
  }
  return found;
}

export const fill = async (
  device: BlockDevice,
  value: number,
  offset = 0,
  length = BLOCK,
): Promise<void> => device.write(Buffer.alloc(length, value), offset, PLAIN);
