/** A control plane over volumes in memory, with the reaper of snapshots whose data is to go. */

import { PLAIN } from '../../../../src/block/index.ts';
import {
  ChangeLogObserver,
  type Control,
  createControl,
  createSnapshot,
  createVolume,
  deleteSnapshot,
  type TaskView,
  trackChanges,
} from '../../../../src/control/index.ts';
import { MemoryArray } from '../../../support/memory-array.ts';
import { VolumeRig } from '../../../support/volume-rig.ts';
import { FakeDataPlane, FakeImages } from '../support/fake-service.ts';
import { FakeTransfers } from '../support/fake-transfers.ts';

export const BLOCK = 65_536;
export const BLOCKS = 8;

export class TrackedRig {
  readonly array: MemoryArray;
  readonly volumes: VolumeRig;
  readonly control: Control;
  readonly reaper: ChangeLogObserver;
  readonly failures: unknown[] = [];
  volumeId = '';
  #time = 1;

  private constructor(array: MemoryArray, volumes: VolumeRig) {
    this.array = array;
    this.volumes = volumes;
    let ids = 0;
    this.control = createControl({
      ...{ catalog: volumes.catalog, dataPlane: new FakeDataPlane(), images: new FakeImages() },
      ...{ transfers: new FakeTransfers(), storage: volumes.storage.storage },
      newId: () => `id-${++ids}`,
      ...{ clock: { now: () => ++this.#time }, serverName: 'rig', version: '0.0.0' },
    });
    this.reaper = new ChangeLogObserver(this.control, (error) => this.failures.push(error));
  }

  /** With a volume `v`, which is tracked. */
  static async open(isNative = false): Promise<TrackedRig> {
    const array = new MemoryArray({ isNative, diffs: isNative });
    const rig = new TrackedRig(array, await VolumeRig.open({ arrays: { one: array } }));
    await rig.volume('v');
    rig.volumeId = rig.idOf('v');
    trackChanges(rig.control, rig.volumeId);
    return rig;
  }

  idOf(volume: string): string {
    const record = this.control.catalog.volumes.byName('one', volume);
    if (record === undefined) throw new Error(`no volume ${volume}`);
    return record.id;
  }

  volume(name: string): Promise<unknown> {
    return this.done(createVolume(this.control, 'one', { name, size: BLOCKS * BLOCK }));
  }

  /** Of `v`, as the REST API takes it. @returns its id */
  async snapshot(name: string): Promise<string> {
    await this.done(createSnapshot(this.control, 'one', { volumes: ['v'], name }));
    const record = this.control.catalog.snapshots.byName(this.volumeId, name);
    if (record === undefined) throw new Error(`no snapshot ${name}`);
    return record.id;
  }

  delete(snapshotId: string): Promise<unknown> {
    return this.done(deleteSnapshot(this.control, 'one', snapshotId));
  }

  async write(...blocks: readonly number[]): Promise<void> {
    await this.volumes.withExport('volume/one/v', async (device) => {
      for (const block of blocks) await device.write(Buffer.alloc(512, 7), block * BLOCK, PLAIN);
    });
  }

  /** @throws what the task failed with */
  async done(task: TaskView): Promise<unknown> {
    await this.control.tasks.settled(task.id);
    const { error, result } = this.control.tasks.get(task.id) ?? {};
    if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
    return result;
  }

  /** An hour goes by. */
  async tick(): Promise<void> {
    this.#time += 3_600_000;
    this.reaper.observe(this.#time);
    await this.reaper.idle();
  }

  async close(): Promise<void> {
    await this.reaper.close();
    await this.volumes.close();
  }
}
