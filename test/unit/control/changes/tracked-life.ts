/**
 * One random life of a volume whose changes are tracked, beside a naive model: what was written between any two
 * moments, as sets of blocks, and what the disk held (lives.test.ts).
 */
import { expect } from 'vitest';
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import {
  CHANGE_BLOCK_BYTES,
  ChangeLogObserver,
  type Control,
  changesBetween,
  createControl,
  createSnapshot,
  createVolume,
  deleteSnapshot,
  deleteVolume,
  discardData,
  forgetChanges,
  resizeVolume,
  revertVolume,
  type TaskView,
  trackChanges,
  trackedDisk,
  untrackChanges,
} from '../../../../src/control/index.ts';
import { settleStorage } from '../../../../src/control/storage/settle-storage.ts';
import type { OpenExport } from '../../../../src/exports/index.ts';
import { MemoryArray } from '../../../support/memory-array.ts';
import { seededRandom } from '../../../support/seed.ts';
import { CALL, VolumeRig } from '../../../support/volume-rig.ts';
import { FakeDataPlane, FakeImages } from '../support/fake-service.ts';
import { FakeTransfers } from '../support/fake-transfers.ts';
import { type Moment, WrittenModel, writtenBetween } from './written-model.ts';

const BLOCK = CHANGE_BLOCK_BYTES;
const SIZE = 11 * BLOCK + 12_288;
const GROWTH = 2 * BLOCK + 4096;
const MOST_BLOCKS = 40;

export class TrackedLife {
  readonly array: MemoryArray;
  readonly log: string[] = [];
  readonly #isNative: boolean;
  readonly #path: string;
  readonly #random: () => number;
  readonly #model = new WrittenModel(SIZE);
  #rig: VolumeRig | undefined;
  #control: Control | undefined;
  #reaper: ChangeLogObserver | undefined;
  #open: OpenExport | undefined;
  #volumeId = '';
  #last = 0;
  #ids = 0;
  /** How often. */
  #killed = 0;
  /** Of the clock, in milliseconds. */
  #time = 1;
  /** What has failed in the background, and was not cut off. */
  readonly failures: unknown[] = [];
  /** Answers that were compared. */
  compared = 0;

  constructor(path: string, seed: number, isNative: boolean) {
    this.#path = path;
    this.#isNative = isNative;
    this.#random = seededRandom(seed);
    this.array = new MemoryArray({ isNative, diffs: isNative });
  }

  get control(): Control {
    if (this.#control === undefined) throw new Error('not started');
    return this.#control;
  }

  get rig(): VolumeRig {
    if (this.#rig === undefined) throw new Error('not started');
    return this.#rig;
  }

  async start(): Promise<void> {
    await this.#restart();
    await this.#done(createVolume(this.control, 'one', { name: 'v', size: SIZE }));
    const volume = this.control.catalog.volumes.byName('one', 'v');
    if (volume === undefined) throw new Error('no volume');
    this.#volumeId = volume.id;
    trackChanges(this.control, volume.id);
  }

  async #restart(): Promise<void> {
    this.#open = undefined;
    this.#rig = await VolumeRig.open({ path: this.#path, arrays: { one: this.array } });
    this.#control = createControl({
      ...{ catalog: this.#rig.catalog, dataPlane: new FakeDataPlane(), images: new FakeImages() },
      ...{ transfers: new FakeTransfers(), storage: this.#rig.storage.storage },
      newId: () => `id-${++this.#ids}`,
      ...{ clock: { now: () => ++this.#time }, serverName: 'rig', version: '0.0.0' },
    });
    const killedBefore = this.#killed;
    this.#reaper = new ChangeLogObserver(this.#control, (error) => {
      if (this.#killed === killedBefore) this.failures.push(error);
    });
    // As when the service attaches it (attachNow).
    await settleStorage(this.#control, 'one');
  }

  async step(): Promise<void> {
    if (this.#random() < 0.1) return this.#cut();
    await this.#act();
  }

  async #cut(): Promise<void> {
    let left = Math.floor(this.#random() * 40);
    const killed = Promise.withResolvers<'killed'>();
    const kill = (): void => {
      this.#killed += 1;
      this.array.step = () => {};
      this.array.kill();
      this.rig.catalog.close();
      killed.resolve('killed');
    };
    this.array.step = () => {
      left -= 1;
      if (left < 0) kill();
    };
    const acting = this.#act().then(
      () => 'done' as const,
      () => 'failed' as const,
    );
    const ended = await Promise.race([acting, killed.promise]);
    if (ended !== 'killed') kill();
    this.log.push(`cut (${ended})`);
    await this.#restart();
    await this.#accept();
  }

  /** What an operation that was cut off has done, as the catalog and the disk say. */
  async #accept(): Promise<void> {
    const { catalog } = this.control;
    for (const [name, moment] of this.#wished) {
      const taken = catalog.snapshots.byName(this.#volumeId, name);
      if (taken !== undefined) this.#model.taken(taken.id, moment);
    }
    this.#wished.clear();
    const volume = catalog.volumes.byId(this.#volumeId);
    if (volume === undefined) throw new Error('the volume is gone');
    const reverted =
      this.#reverting === undefined ? undefined : this.#model.moments.get(this.#reverting);
    if (reverted !== undefined && volume.headSnapshotId === this.#reverting) {
      this.#model.mayBeRevertedTo(reverted);
    }
    this.#reverting = undefined;
    this.#model.found(await this.#readAll());
    for (const id of this.#model.moments.keys()) {
      if (catalog.snapshots.byId(id) === undefined && trackedDisk(this.control, id) === undefined) {
        this.#gone.add(id);
      }
    }
  }

  readonly #wished = new Map<string, Moment>();
  readonly #gone = new Set<string>();
  #reverting: string | undefined;

  async #act(): Promise<void> {
    const kinds = [
      ...Array.from({ length: 9 }, () => 'write' as const),
      ...(['snapshot', 'snapshot', 'snapshot', 'discard', 'discard', 'discard', 'tick'] as const),
      ...(['forget', 'delete', 'delete', 'revert', 'grow', 'open', 'close', 'tick'] as const),
      ...(['idle', 'tracking', 'ask', 'ask'] as const),
    ];
    const kind = this.#pick(kinds) ?? 'write';
    this.#wished.clear();
    const id = this.#pick(this.#withData());
    const dataless = this.#pick(this.#dataless());
    this.log.push(`${kind} ${id} ${dataless}`);
    if (kind === 'write') return this.#write();
    if (kind === 'snapshot') return this.#snapshot();
    if (kind === 'tick') return this.tick();
    if (kind === 'idle') return this.rig.idle();
    if (kind === 'open') return this.#openIt();
    if (kind === 'close') return this.#closeIt();
    if (kind === 'grow') return this.#grow();
    if (kind === 'tracking') return this.#tracking();
    if (kind === 'forget') return this.#forget(dataless);
    if (kind === 'ask') return this.#ask(this.#pick(this.#known()));
    if (id === undefined) return;
    if (kind === 'discard') return this.#discard(id);
    if (kind === 'revert') return this.#revert(id);
    await this.#done(deleteSnapshot(this.control, 'one', id));
    this.#gone.add(id);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random() * list.length)];
  }

  #known(): string[] {
    return [...this.#model.moments.keys()].filter((id) => !this.#gone.has(id));
  }

  #stateOf(id: string): string | undefined {
    return trackedDisk(this.control, id)?.state;
  }

  /** Snapshots that somebody still has as such, tracked or not. */
  #withData(): string[] {
    return this.#known().filter((id) => ![`anchor`, 'log'].includes(this.#stateOf(id) ?? ''));
  }

  #dataless(): string[] {
    return this.#known().filter((id) => ['anchor', 'log'].includes(this.#stateOf(id) ?? ''));
  }

  async #done(task: TaskView): Promise<void> {
    const { tasks } = this.control;
    await tasks.settled(task.id);
    const { error } = tasks.get(task.id) ?? {};
    if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
  }

  async tick(): Promise<void> {
    this.#time += 3_600_000;
    this.#reaper?.observe(this.#time);
    await this.#reaper?.idle();
  }

  async #snapshot(): Promise<void> {
    this.#last += 1;
    const name = `s${this.#last}`;
    const moment = this.#model.now();
    this.#wished.set(name, moment);
    await this.#done(createSnapshot(this.control, 'one', { volumes: ['v'], name }));
    const taken = this.control.catalog.snapshots.byName(this.#volumeId, name);
    if (taken === undefined) throw new Error(`no snapshot ${name}`);
    this.#model.taken(taken.id, moment);
  }

  async #discard(id: string): Promise<void> {
    if (this.#stateOf(id) !== 'tracked') return;
    await discardData(this.control, id, CALL);
  }

  async #forget(id: string | undefined): Promise<void> {
    if (id === undefined) return;
    await forgetChanges(this.control, id, CALL);
    this.#gone.add(id);
  }

  /** What has changed up to now; an array that does not tell it takes a snapshot for it. */
  async #ask(fromId: string | undefined): Promise<void> {
    const ids = [fromId ?? '', this.#volumeId];
    if (ids.some((id) => trackedDisk(this.control, id) === undefined)) return;
    await this.#compare(fromId ?? '', this.#volumeId);
  }

  async #tracking(): Promise<void> {
    if (this.#random() < 0.3) untrackChanges(this.control, this.#volumeId);
    else trackChanges(this.control, this.#volumeId);
  }

  async #grow(): Promise<void> {
    const size = this.#model.size + GROWTH;
    if (size > MOST_BLOCKS * BLOCK) return;
    await this.#done(resizeVolume(this.control, 'one', 'v', { size }));
    this.#model.grew(GROWTH);
    await this.#closeIt();
  }

  async #revert(id: string): Promise<void> {
    const moment = this.#model.moments.get(id);
    if (moment === undefined || this.control.catalog.snapshots.byId(id) === undefined) return;
    await this.#closeIt();
    this.#reverting = id;
    await this.#done(revertVolume(this.control, 'one', 'v', { snapshot: id }));
    this.#model.revertedTo(moment);
    this.#reverting = undefined;
  }

  async #openIt(): Promise<void> {
    this.#open ??= await this.rig.connect('volume/one/v', Math.floor(this.#random() * 2));
  }

  async #closeIt(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.close();
  }

  async #write(): Promise<void> {
    if (this.#open !== undefined) return this.#writeTo(this.#open.device);
    const opened = await this.rig.connect('volume/one/v', Math.floor(this.#random() * 2));
    try {
      await this.#writeTo(opened.device);
    } finally {
      await opened.close();
    }
  }

  async #writeTo(device: BlockDevice): Promise<void> {
    const { size } = device.geometry;
    const unit = this.#pick([512, 4096, BLOCK]) ?? 512;
    const offset = Math.floor((this.#random() * size) / unit) * unit;
    const length = Math.min(size - offset, (1 + Math.floor(this.#random() * 12)) * unit);
    const fill = this.#random() < 0.3 ? 0 : 1 + Math.floor(this.#random() * 255);
    const touched: number[] = [];
    const end = Math.ceil((offset + length) / BLOCK);
    for (let block = Math.floor(offset / BLOCK); block < end; block++) touched.push(block);
    this.#model.begin(touched);
    if (fill === 0) await device.zero(offset, length, PLAIN_ZERO);
    else await device.write(Buffer.alloc(length, fill), offset, PLAIN);
    this.#model.wrote(touched, offset, length, fill);
    if (this.#random() < 0.2) await device.flush();
  }

  #readAll(): Promise<Buffer> {
    return this.rig.withExport('volume/one/v', async (device) => {
      const whole = Buffer.alloc(device.geometry.size);
      for (let at = 0; at < whole.length; at += BLOCK) {
        await device.read(whole.subarray(at, at + BLOCK), at);
      }
      return whole;
    });
  }

  /** Every pair of moments of which it may be asked. */
  async verify(): Promise<void> {
    const tracked = this.#known().filter((id) => trackedDisk(this.control, id) !== undefined);
    const ends = [...tracked];
    if (trackedDisk(this.control, this.#volumeId) !== undefined) ends.push(this.#volumeId);
    for (const fromId of tracked) {
      for (const toId of ends) await this.#compare(fromId, toId);
    }
  }

  async #compare(fromId: string, toId: string): Promise<void> {
    const from = this.#model.moments.get(fromId);
    const to = this.#model.moments.get(toId) ?? this.#model.now();
    if (from === undefined) throw new Error(`no moment ${fromId}`);
    const told = await changesBetween(this.control, { fromId, toId }, CALL);
    const expected = writtenBetween(from, to);
    const what = `${fromId} (${this.#stateOf(fromId)}) … ${toId} (${this.#stateOf(toId)})`;
    if (expected === undefined) {
      expect(told.kind, what).toBe('unrelated');
      return;
    }
    if (told.kind !== 'changed') throw new Error(`${what}: ${told.kind}`);
    this.compared += 1;
    expect(told.blocks.size, what).toBe(to.size);
    const before = Buffer.concat([from.content, Buffer.alloc(to.size - from.size)]);
    for (let block = 0; block * BLOCK < to.size; block++) {
      const isTold = told.blocks.has(block);
      const [start, end] = [block * BLOCK, (block + 1) * BLOCK];
      const differs = !before.subarray(start, end).equals(to.content.subarray(start, end));
      if (differs && !isTold) throw new Error(`${what}: block ${block} differs and is not told`);
      if (this.#isNative) continue;
      if (isTold && !expected.may.has(block)) {
        throw new Error(`${what}: block ${block} is told and was not written`);
      }
      if (!isTold && expected.must.has(block)) {
        throw new Error(`${what}: block ${block} was written and is not told`);
      }
    }
  }

  /** Nothing stays: no row, no log, nothing on the array. */
  async end(): Promise<void> {
    await this.#closeIt();
    await this.tick();
    await this.verify();
    for (const id of this.#dataless()) await this.#forget(id);
    for (const id of this.#withData()) await this.#done(deleteSnapshot(this.control, 'one', id));
    await this.tick();
    await this.#done(deleteVolume(this.control, 'one', 'v'));
    await this.tick();
    await this.rig.idle();
    const { catalog } = this.control;
    expect(catalog.trackedDisks.going()).toEqual([]);
    expect(catalog.trackedDisks.withoutData('one')).toEqual([]);
    for (const id of this.#model.moments.keys()) {
      expect([...catalog.changeLogs.into(id), ...catalog.changeLogs.outOf(id)]).toEqual([]);
      expect(catalog.trackedDisks.byId(id)).toBeUndefined();
    }
    expect(this.failures).toEqual([]);
    expect(this.rig.troubles).toEqual([]);
    await this.rig.close();
    // Another attach finds whatever was left.
    const after = await VolumeRig.open({ path: this.#path, arrays: { one: this.array } });
    expect(this.array.names()).toEqual([]);
    await after.close();
  }
}
