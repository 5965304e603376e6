/** VBD: VDIs that the control domain has open. */
import { type Handlers, type Implementation, implement } from '../../call.ts';
import { VBD } from '../../datamodel/vbd.ts';
import { VDI } from '../../datamodel/vdi.ts';
import type { VdiType } from '../../datamodel/vdi-types.ts';
import { diskOf } from '../../disks/disk.ts';
import { isNullRef, NULL_REF, refOf } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { doingVbd, plug, refusePlug, unplug } from './attach.ts';
import { newDevice } from './devices.ts';
import { Plugs } from './plugs.ts';

type VbdHandlers = Handlers<typeof VBD>;

/** Types of VDIs that a device may show. */
const SHOWN: ReadonlySet<VdiType> = new Set<VdiType>([
  ...(['system', 'user', 'ephemeral', 'suspend', 'crashdump', 'metadata', 'rrd'] as const),
  'pvs_cache',
]);

export function vbdMessages(xen: Xen): Implementation {
  const plugs = new Plugs(xen);
  const unplugAs =
    (operation: 'unplug' | 'unplug_force'): VbdHandlers['unplug'] =>
    (call, { self: ref }) =>
      unplug(xen, plugs, call, { ref, operation });
  return implement(VBD, {
    create: createVbd(xen),
    destroy: destroyVbd(xen, plugs),
    plug: (call, { self }) => plug(xen, plugs, call, self),
    unplug: unplugAs('unplug'),
    unplug_force: unplugAs('unplug_force'),
    unplug_force_no_safety_check: unplugAs('unplug_force'),
    assert_attachable: (_call, { self }) => {
      refusePlug(xen, plugs, self, xen.objects.require(VBD, self));
    },
    ...media(xen, plugs),
    set_mode: (_call, { self, value }) => {
      if (plugs.has(self)) throw xenError('DEVICE_ALREADY_ATTACHED', self);
      const { VDI: vdi, type } = xen.objects.require(VBD, self);
      refuseMode(xen, { mode: value, type, vdi });
      keep(xen, self, { mode: value });
    },
    pause: (_call, { self }) => refusePause(xen, self),
    unpause: (_call, { self }) => refusePause(xen, self),
  });
}

/** Writes that are refused at once, not when it is plugged. */
function refuseMode(
  xen: Xen,
  { mode, type, vdi }: { readonly mode: string; readonly type: string; readonly vdi: string },
): void {
  if (mode !== 'RW') return;
  if (type === 'CD') throw xenError('VBD_CDS_MUST_BE_READONLY');
  if (!isNullRef(vdi) && diskOf(xen, vdi).record.read_only) throw xenError('VDI_READONLY', vdi);
}

const createVbd =
  (xen: Xen): VbdHandlers['create'] =>
  (_call, given) => {
    const { objects, kept, control } = xen;
    const { VM: vm, VDI: shown, type, mode, empty } = given;
    if (objects.find('VM', vm) === undefined) throw xenError('HANDLE_INVALID', 'VM', vm);
    if (type !== 'CD' && empty) throw xenError('VBD_NOT_REMOVABLE_MEDIA', 'in constructor');
    const vdi = empty ? NULL_REF : shown;
    if (!empty) refuseType(xen, vdi);
    refuseMode(xen, { mode, type, vdi });
    const id = control.newId();
    const { bootable, unpluggable, other_config } = given;
    const { qos_algorithm_type, qos_algorithm_params } = given;
    kept.set(VBD, id, {
      ...{ VDI: vdi, type, mode, empty, bootable, unpluggable, other_config },
      ...{ qos_algorithm_type, qos_algorithm_params },
      userdevice: newDevice(xen, given.userdevice),
    });
    return refOf(VBD.name, id);
  };

function refuseType(xen: Xen, vdi: string): void {
  const { type } = diskOf(xen, vdi).record;
  if (!SHOWN.has(type)) throw xenError('VDI_INCOMPATIBLE_TYPE', vdi, type);
}

const destroyVbd =
  (xen: Xen, plugs: Plugs): VbdHandlers['destroy'] =>
  (_call, { self }) => {
    const { uuid, VM: vm } = xen.objects.require(VBD, self);
    if (plugs.has(self)) {
      throw xenError('OPERATION_NOT_ALLOWED', `VBD '${uuid}' still attached to '${vm}'`);
    }
    xen.operations.refuseOther(VBD.name, self, () => false);
    xen.kept.delete(VBD, xen.objects.origin(VBD.name, self).id);
  };

const media = (xen: Xen, plugs: Plugs) =>
  ({
    insert: (call, { vbd, vdi }) =>
      doingVbd(xen, call, vbd, 'insert', async ({ type, empty }) => {
        if (type !== 'CD') throw xenError('VBD_NOT_REMOVABLE_MEDIA', vbd);
        if (!empty) throw xenError('VBD_NOT_EMPTY', vbd);
        refuseType(xen, vdi);
        keep(xen, vbd, { VDI: vdi, empty: false });
      }),
    eject: (call, { vbd }) =>
      doingVbd(xen, call, vbd, 'eject', async ({ type, empty }) => {
        if (type !== 'CD') throw xenError('VBD_NOT_REMOVABLE_MEDIA', vbd);
        if (empty) throw xenError('VBD_IS_EMPTY', vbd);
        await plugs.remove(vbd);
        keep(xen, vbd, { VDI: NULL_REF, empty: true });
      }),
  }) satisfies Partial<VbdHandlers>;

function keep(
  { objects, kept }: Xen,
  ref: string,
  fields: Readonly<Record<string, unknown>>,
): void {
  kept.set(VBD, objects.origin(VBD.name, ref).id, fields);
}

function refusePause({ objects }: Xen, ref: string): never {
  const { VDI: vdi } = objects.require(VBD, ref);
  const sr = objects.find(VDI.name, vdi)?.['SR'];
  throw xenError('SR_OPERATION_NOT_SUPPORTED', typeof sr === 'string' ? sr : NULL_REF);
}
