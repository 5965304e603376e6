/** The port to blocks over a rig's exports: one writer, or many readers, of this port; whoever else reads is not asked. */

import { MemoryDevice, PLAIN } from '../../src/block/index.ts';
import { Fault } from '../../src/errors/index.ts';
import type { DiskName, DiskPort, OpenDisk } from '../../src/xenapi/ports.ts';
import type { VolumeRig } from './volume-rig.ts';

export class RigDisks implements DiskPort {
  rig: VolumeRig | undefined;
  /** Names of exports that are open, and how often. */
  readonly uses = new Map<string, { readers: number; writers: number }>();
  /** Called with each device that is opened for writing, to break it. */
  breaking: ((device: OpenDisk['device']) => OpenDisk['device']) | undefined;

  users(what: DiskName): readonly string[] {
    const used = this.rig === undefined ? undefined : this.uses.get(exportOf(this.rig, what));
    return used === undefined || used.readers + used.writers === 0 ? [] : ['this port'];
  }

  /** What versions of vDisks hold, by id. */
  readonly versions = new Map<string, Buffer>();

  async open(what: DiskName, { write }: { readonly write: boolean }): Promise<OpenDisk> {
    const { rig } = this;
    if (rig === undefined) throw new Error('the rig is not there yet');
    if ('versionId' in what) return this.#version(what.versionId);
    const name = exportOf(rig, what);
    const used = this.uses.get(name) ?? { readers: 0, writers: 0 };
    if (write && used.readers + used.writers > 0) {
      throw new Fault('IN_USE', `${name} is open`, { field: 'connections' });
    }
    this.uses.set(name, used);
    const key = write ? 'writers' : 'readers';
    used[key] += 1;
    try {
      const opened = await rig.connect(name);
      const device = write ? (this.breaking?.(opened.device) ?? opened.device) : opened.device;
      return {
        device,
        close: async () => {
          used[key] -= 1;
          await opened.close();
        },
      };
    } catch (error) {
      used[key] -= 1;
      throw error;
    }
  }

  async #version(id: string): Promise<OpenDisk> {
    const content = this.versions.get(id);
    if (content === undefined) throw new Fault('NOT_FOUND', `there is no version ${id}`);
    const device = new MemoryDevice({ size: content.length });
    await device.write(content, 0, PLAIN);
    return { device, close: () => device.close() };
  }
}

function exportOf({ catalog }: VolumeRig, what: DiskName): string {
  if ('versionId' in what) throw new Error('this rig has no vDisks');
  const repository = catalog.repositories.byId(what.repositoryId)?.name;
  if ('snapshotId' in what) {
    const snapshot = catalog.snapshots.byId(what.snapshotId);
    const volume = catalog.volumes.byId(snapshot?.volumeId ?? '');
    if (volume === undefined) {
      throw new Fault('UNSUPPORTED', 'this rig opens no snapshot whose volume is gone');
    }
    return `volume/${repository}/${volume.name}@${snapshot?.name}`;
  }
  return `volume/${repository}/${catalog.volumes.byId(what.volumeId)?.name}`;
}
