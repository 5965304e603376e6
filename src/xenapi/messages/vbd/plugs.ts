/**
 * Plugged VBDs: each holds its VDI open, so that nothing deletes, reverts or resizes it. In memory: as with a boot of
 * the control domain, none is plugged when the service starts.
 */
import type { Ref } from '../../datamodel/description.ts';
import { VBD, type VbdOperation } from '../../datamodel/vbd.ts';
import { VDI } from '../../datamodel/vdi.ts';
import type { Disk } from '../../disks/disk.ts';
import type { OpenDisk } from '../../ports.ts';
import type { Xen } from '../../xen.ts';

export class Plugs {
  readonly #xen: Xen;
  readonly #open = new Map<
    Ref,
    { readonly disk: OpenDisk; readonly vdi: Ref; readonly uuid: string }
  >();

  constructor(xen: Xen) {
    this.#xen = xen;
    xen.objects.completeWith(VBD.name, (ref, record) => {
      const isPlugged = this.has(ref);
      return {
        ...record,
        currently_attached: isPlugged,
        // Not asked of the VDI: its completion asks us.
        device: isPlugged ? `rootcast/${this.#open.get(ref)?.uuid}` : '',
        current_operations: new Map(xen.operations.of(ref)),
        allowed_operations: this.#allowed(ref, record),
      };
    });
  }

  has(vbd: Ref): boolean {
    return this.#open.has(vbd);
  }

  add(vbd: Ref, { ref: vdi, record: { uuid } }: Disk, disk: OpenDisk): void {
    this.#open.set(vbd, { disk, vdi, uuid });
    this.#touch(vbd, vdi);
  }

  /** Settles when it is closed. */
  async remove(vbd: Ref): Promise<void> {
    const plugged = this.#open.get(vbd);
    if (plugged === undefined) return;
    try {
      await plugged.disk.close();
    } finally {
      this.#open.delete(vbd);
      this.#touch(vbd, plugged.vdi);
    }
  }

  #touch(vbd: Ref, vdi: Ref): void {
    this.#xen.objects.touch(VBD.name, vbd);
    this.#xen.objects.touch(VDI.name, vdi);
  }

  #allowed(vbd: Ref, { type, empty }: Readonly<Record<string, unknown>>): readonly VbdOperation[] {
    if (this.#xen.operations.of(vbd).size > 0) return [];
    const media: readonly VbdOperation[] =
      type !== 'CD' ? [] : empty === true ? ['insert'] : ['eject'];
    if (this.has(vbd)) return ['unplug', 'unplug_force', ...media];
    return empty === true ? media : ['attach', 'plug', ...media];
  }
}
