import { type Implementation, implement } from '../../call.ts';
import { VM } from '../../datamodel/vm.ts';
import type { Xen } from '../../xen.ts';
import { freeDevices } from '../vbd/devices.ts';

export function vmMessages(xen: Xen): Implementation {
  return implement(VM, {
    get_allowed_VBD_devices: () => freeDevices(xen).map(String),
  });
}
