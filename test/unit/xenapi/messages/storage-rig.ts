/** SRs over real folders of this machine; what is in them as VDIs that are only as large as they are. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { localAdapter } from '../../../../src/adapters/local/index.ts';
import { simulatedAdapter } from '../../../../src/adapters/simulated/index.ts';
import { type Control, createVolume } from '../../../../src/control/index.ts';
import { implement } from '../../../../src/xenapi/call.ts';
import {
  describeClass,
  field,
  type RecordOf,
  ref,
} from '../../../../src/xenapi/datamodel/description.ts';
import { PBD } from '../../../../src/xenapi/datamodel/pbd.ts';
import { SM } from '../../../../src/xenapi/datamodel/sm.ts';
import { SR } from '../../../../src/xenapi/datamodel/sr.ts';
import { pbdMessages } from '../../../../src/xenapi/messages/pbd/index.ts';
import { secretMessages } from '../../../../src/xenapi/messages/secret/index.ts';
import { smMessages } from '../../../../src/xenapi/messages/sm/index.ts';
import { srMessages } from '../../../../src/xenapi/messages/sr/index.ts';
import type { Projection } from '../../../../src/xenapi/objects/projector.ts';
import { refOf } from '../../../../src/xenapi/objects/refs.ts';
import { repositoriesProjection } from '../../../../src/xenapi/projections/repositories.ts';
import type { Xen } from '../../../../src/xenapi/xen.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { XenRig } from '../../../support/xen-rig.ts';

export const HOST = refOf('host', 'this');
export const NONE: ReadonlyMap<string, string> = new Map();

export const DISK = describeClass({
  name: 'VDI',
  doc: 'What is in an SR',
  role: 'vm-admin',
  fields: {
    uuid: field('string', 'dynamic', 'Identifies it'),
    SR: field(ref('SR'), 'static', 'Where it lies'),
    virtual_size: field('int', 'dynamic', 'Bytes'),
    managed: field('bool', 'dynamic', 'Whether it is a disk'),
  },
  messages: {},
});

/** As projections of VDIs do it. */
function disks({ control, objects }: Xen): Projection {
  const changed = (_table: unknown, id: string): void => {
    const volume = control.catalog.volumes.byId(id);
    const disk = refOf('VDI', id);
    if (volume === undefined) {
      objects.delete('VDI', disk);
      return;
    }
    const { repositoryId, size } = volume;
    const record = { uuid: id, SR: refOf('SR', repositoryId), virtual_size: size, managed: true };
    objects.put('VDI', disk, record, { kind: 'volume', id });
  };
  return {
    ...{ tables: ['volumes'] as const, classes: [], changed, keptChanged: () => undefined },
    load: () => {
      for (const { id } of control.catalog.repositories.all()) {
        for (const volume of control.catalog.volumes.page(id, '', 1000)) changed('', volume.id);
      }
    },
  };
}

export type SrRecord = RecordOf<typeof SR>;
export type PbdRecord = RecordOf<typeof PBD>;

export class StorageRig {
  readonly rig: XenRig;
  readonly folder: string;
  readonly #remove: () => Promise<void>;
  #isKept = false;

  private constructor(rig: XenRig, folder: string, remove: () => Promise<void>) {
    this.rig = rig;
    this.folder = folder;
    this.#remove = remove;
  }

  static async open(): Promise<StorageRig> {
    const { path, remove } = await temporaryFolder('xenapi-sr');
    for (const name of ['a', 'b', 'c']) await mkdir(join(path, name));
    return new StorageRig(await openRig(path), path, remove);
  }

  /** The service ends and starts again, on the same catalog. */
  async restarted(): Promise<StorageRig> {
    this.#isKept = true;
    await this.close();
    return new StorageRig(await openRig(this.folder), this.folder, this.#remove);
  }

  get control(): Control {
    return this.rig.control;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  call<T = unknown>(method: string, ...given: readonly unknown[]): Promise<T> {
    return this.rig.call(method, ...given) as Promise<T>;
  }

  refusal(method: string, ...given: readonly unknown[]): Promise<readonly string[]> {
    return this.rig.refusal(method, ...given);
  }

  create(
    path: string,
    more: { label?: string; type?: string; config?: Record<string, string> } = {},
  ): Promise<string> {
    const { label = 'disks', type = 'file', config = { location: this.path(path) } } = more;
    const deviceConfig = new Map(Object.entries(config));
    const names = [label, `${label} of a test`];
    return this.call('SR.create', HOST, deviceConfig, 0, ...names, type, 'user', false, NONE);
  }

  introduce(uuid: string, label = 'again', type = 'file'): Promise<string> {
    return this.call('SR.introduce', uuid, label, '', type, 'user', false, NONE);
  }

  createPbd(sr: string, config: Record<string, string>): Promise<string> {
    const deviceConfig = new Map(Object.entries(config));
    return this.call('PBD.create', { host: HOST, SR: sr, device_config: deviceConfig });
  }

  sr(ref: string): Promise<SrRecord> {
    return this.call('SR.get_record', ref);
  }

  async pbd(sr: string): Promise<PbdRecord> {
    return this.call('PBD.get_record', await this.pbdRef(sr));
  }

  async pbdRef(sr: string): Promise<string> {
    const [pbd] = (await this.sr(sr)).PBDs;
    if (pbd === undefined) throw new Error('it has no PBD');
    return pbd;
  }

  /** By REST. @returns its id */
  async volume(sr: string, name: string, size = 1024 * 1024): Promise<string> {
    const { uuid } = await this.sr(sr);
    const repository = this.control.catalog.repositories.byId(uuid)?.name ?? '';
    const task = createVolume(this.control, repository, { name, size });
    await this.control.tasks.settled(task.id);
    const id = this.control.catalog.volumes.byName(uuid, name)?.id;
    if (id === undefined) throw new Error('the volume was not made');
    return id;
  }

  async close(): Promise<void> {
    await this.rig.close();
    if (!this.#isKept) await this.#remove();
  }
}

function openRig(folder: string): Promise<XenRig> {
  return XenRig.open({
    path: join(folder, 'catalog'),
    adapters: [localAdapter, simulatedAdapter()],
    classes: [SR, PBD, SM, DISK],
    implementations: (xen) => [
      srMessages(xen),
      pbdMessages(xen),
      smMessages(),
      secretMessages(xen),
      implement(DISK, {}),
    ],
    projections: (xen) => [repositoriesProjection(xen), disks(xen)],
  });
}
