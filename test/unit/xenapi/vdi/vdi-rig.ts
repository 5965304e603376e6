/** VDIs over real local repositories: the rig with the classes that they need. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockDevice } from '../../../../src/block/index.ts';
import { FUA } from '../../../../src/block/index.ts';
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
import { PBD } from '../../../../src/xenapi/datamodel/pbd.ts';
import { SM } from '../../../../src/xenapi/datamodel/sm.ts';
import { SR } from '../../../../src/xenapi/datamodel/sr.ts';
import { VBD } from '../../../../src/xenapi/datamodel/vbd.ts';
import { VDI } from '../../../../src/xenapi/datamodel/vdi.ts';
import { VM } from '../../../../src/xenapi/datamodel/vm.ts';
import { diskNameOf, diskOf, type VdiRecord } from '../../../../src/xenapi/disks/disk.ts';
import { pbdMessages } from '../../../../src/xenapi/messages/pbd/index.ts';
import { srMessages } from '../../../../src/xenapi/messages/sr/index.ts';
import { vbdMessages } from '../../../../src/xenapi/messages/vbd/index.ts';
import { vdiMessages } from '../../../../src/xenapi/messages/vdi/index.ts';
import { vmMessages } from '../../../../src/xenapi/messages/vm/index.ts';
import { refOf } from '../../../../src/xenapi/objects/refs.ts';
import { controlDomainProjection } from '../../../../src/xenapi/projections/control-domain.ts';
import { repositoriesProjection } from '../../../../src/xenapi/projections/repositories.ts';
import { vdisksProjection } from '../../../../src/xenapi/projections/vdisks.ts';
import { volumesProjection } from '../../../../src/xenapi/projections/volumes.ts';
import { RigDisks } from '../../../support/rig-disks.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { XenRig } from '../../../support/xen-rig.ts';

export class VdiRig {
  readonly rig: XenRig;
  readonly disks: RigDisks;
  readonly folder: Awaited<ReturnType<typeof temporaryFolder>>;

  private constructor(rig: XenRig, disks: RigDisks, folder: VdiRig['folder']) {
    this.rig = rig;
    this.disks = disks;
    this.folder = folder;
  }

  /**
   * @param options.path of the catalog; in memory unless given
   * @param options.folder of repositories; a fresh one unless given
   */
  static async open(
    options: { readonly path?: string; readonly folder?: VdiRig['folder'] } = {},
  ): Promise<VdiRig> {
    const disks = new RigDisks();
    const rig = await XenRig.open({
      ...(options.path === undefined ? {} : { path: options.path }),
      disks,
      classes: [SR, PBD, SM, VDI, VBD, VM],
      implementations: (xen) => [
        vdiMessages(xen, 100),
        vbdMessages(xen),
        vmMessages(xen),
        srMessages(xen),
        pbdMessages(xen),
      ],
      projections: (xen) => [
        repositoriesProjection(xen),
        volumesProjection(xen),
        vdisksProjection(xen),
        controlDomainProjection(xen),
      ],
    });
    disks.rig = rig.volumes;
    const folder = options.folder ?? (await temporaryFolder('vdi'));
    return new VdiRig(rig, disks, folder);
  }

  get call() {
    return this.rig.call.bind(this.rig);
  }

  get refusal() {
    return this.rig.refusal.bind(this.rig);
  }

  /** @returns its SR */
  async sr(name: string): Promise<Ref> {
    await mkdir(join(this.folder.path, name), { recursive: true });
    await this.rig.repository(name, join(this.folder.path, name));
    const repository = this.rig.control.catalog.repositories.byName(name);
    if (repository === undefined) throw new Error(`no repository ${name}`);
    return refOf('SR', repository.id);
  }

  async vdi(sr: Ref, fields: Readonly<Record<string, unknown>> = {}): Promise<Ref> {
    const given = {
      ...{ SR: sr, virtual_size: MIB, type: 'user', sharable: false, read_only: false },
      ...{ other_config: new Map(), name_label: 'disk', ...fields },
    };
    return (await this.call('VDI.create', given)) as Ref;
  }

  async record(vdi: Ref): Promise<VdiRecord> {
    return (await this.call('VDI.get_record', vdi)) as VdiRecord;
  }

  async withDevice<T>(
    vdi: Ref,
    write: boolean,
    work: (device: BlockDevice) => Promise<T>,
  ): Promise<T> {
    const { xen } = this.rig;
    const opened = await this.disks.open(diskNameOf(xen, diskOf(xen, vdi)), { write });
    try {
      return await work(opened.device);
    } finally {
      await opened.close();
    }
  }

  write(vdi: Ref, offset: number, bytes: Buffer): Promise<void> {
    return this.withDevice(vdi, true, async (device) => {
      await device.write(bytes, offset, FUA);
    });
  }

  read(vdi: Ref, offset: number, length: number): Promise<Buffer> {
    return this.withDevice(vdi, false, async (device) => {
      const bytes = Buffer.alloc(length);
      await device.read(bytes, offset);
      return bytes;
    });
  }

  async close(): Promise<void> {
    try {
      await this.rig.close();
    } finally {
      await this.folder.remove();
    }
  }
}

export const MIB = 1_048_576;
