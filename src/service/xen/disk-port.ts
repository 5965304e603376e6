/**
 * Blocks for XenAPI's own readers and writers, in the control thread: a table of exports of its own, which takes part
 * in the barrier as a data worker does, so that a snapshot may be taken while something is open here.
 */
import type { BlockDevice } from '../../block/index.ts';
import { ReadCache } from '../../block/index.ts';
import type { Catalog, SnapshotName, VolumeName } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import {
  type ExportClient,
  ExportTable,
  type StackPlan,
  stackBuilder,
} from '../../exports/index.ts';
import type { VolumeData } from '../../repositories/index.ts';
import type { DiskName, DiskPort, OpenDisk } from '../../xenapi/index.ts';
import { GivenPlans } from '../given-plans.ts';
import type { LayerPlans } from '../layer-plans.ts';
import type { OpenStorage } from '../storage/index.ts';
import { holdExports, resumeExports } from '../workers/barrier-turn.ts';
import type { ToWorker } from '../workers/messages.ts';
import type { BarrierAnswer } from '../workers/worker-pool.ts';
import { DISK_CACHE_BYTES } from './limits.ts';

export interface ServiceDisksParts {
  readonly catalog: Pick<Catalog, 'versions'>;
  readonly storage: Pick<OpenStorage, 'exports' | 'refuseHosts'>;
  readonly layers: LayerPlans;
  /** Of all repositories, in this thread. */
  readonly volumes: VolumeData;
  /** Its number: behind those of the workers. Its slot in the statistics of overlays. */
  readonly worker: number;
  /** What it says of the barrier. */
  readonly answer: (worker: number, message: BarrierAnswer) => void;
  /** A write was refused for want of space. */
  readonly onFull: (name: string, reason: string) => void;
}

const CLIENT: ExportClient = { address: 'xenapi', tls: false, identity: undefined };

export class ServiceDisks implements DiskPort {
  readonly #parts: ServiceDisksParts;
  readonly #exports: ExportTable;
  readonly #given = new GivenPlans((key, name) => this.#release(key, name));

  constructor(parts: ServiceDisksParts) {
    this.#parts = parts;
    const { volumes, worker, onFull } = parts;
    const readCache = new ReadCache({ capacityBytes: DISK_CACHE_BYTES });
    const build = stackBuilder({ volumes, readCache, worker, onFull });
    this.#exports = new ExportTable(this.#given, build);
  }

  async open(what: DiskName, { write }: { readonly write: boolean }): Promise<OpenDisk> {
    const plan = await ('versionId' in what
      ? this.#planVersion(what.versionId, write)
      : this.#planVolume(what, write));
    const opened = await this.#exports.open(this.#given.give(plan), CLIENT);
    return { device: opened.device satisfies BlockDevice, close: () => opened.close() };
  }

  users(what: DiskName): readonly string[] {
    return 'versionId' in what ? [] : this.#parts.storage.exports.users(what);
  }

  /** What all threads are told that have volumes open. */
  tell(message: Extract<ToWorker, { kind: 'connect' | 'disconnect' | 'hold' | 'resume' }>): void {
    const { worker, answer } = this.#parts;
    switch (message.kind) {
      case 'hold':
        void holdExports(this.#exports, message).then((held) => answer(worker, held));
        return;
      case 'resume':
        void resumeExports(this.#exports, message).then((resumed) => answer(worker, resumed));
        return;
      case 'disconnect':
        // This thread's own handles fail when the repository is let go of, which is the next thing.
        answer(worker, { kind: 'parted', turn: message.turn });
        return;
      case 'connect':
        return;
    }
  }

  async #planVolume(what: VolumeName | SnapshotName, write: boolean): Promise<StackPlan> {
    const { exports, refuseHosts } = this.#parts.storage;
    if ('snapshotId' in what) {
      if (write) throw notWritable('a snapshot');
      return exports.openDisk(what, { name: `snapshot ${what.snapshotId}`, kind: 'look' });
    }
    const kind = write ? 'write' : 'read';
    const plan = await exports.openDisk(what, { name: `${kind} by XenAPI`, kind });
    try {
      await refuseHosts(what);
      return plan;
    } catch (error) {
      exports.release(plan.key, plan.name);
      throw error;
    }
  }

  async #planVersion(versionId: string, write: boolean): Promise<StackPlan> {
    if (write) throw notWritable('a version');
    const version = this.#parts.catalog.versions.byId(versionId);
    if (version === undefined) {
      throw new Fault('NOT_FOUND', 'the version is gone', { field: 'version', value: versionId });
    }
    if (version.state === 'maintenance') {
      throw new Fault('IN_USE', 'the version is still being written', {
        field: 'version.state',
        value: version.state,
        expected: 'one that is sealed',
      });
    }
    return this.#parts.layers.plan(`version ${versionId}`, version.layerId, 'version, read-only');
  }

  #release(key: string, name: string): void {
    if (!this.#parts.layers.release(key)) this.#parts.storage.exports.release(key, name);
  }
}

function notWritable(what: string): Fault {
  return new Fault('INVALID_INPUT', `${what} cannot be written`, {
    field: 'disk',
    value: what,
    expected: 'a volume',
  });
}
