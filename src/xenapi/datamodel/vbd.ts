/** Virtual block devices (xen-api datamodel.ml, module VBD), of the control domain: no other VM is here. */
import { NULL_REF } from '../objects/refs.ts';
import {
  describeClass,
  field,
  map,
  message,
  oneOf,
  parameter,
  ref,
  STRING_MAP,
  set,
} from './description.ts';

const VBD_OPERATION = oneOf('vbd_operations', [
  ...(['attach', 'eject', 'insert', 'plug', 'unplug', 'unplug_force', 'pause'] as const),
  'unpause',
]);
export type VbdOperation = (typeof VBD_OPERATION)['values'][number];
const VBD_MODE = oneOf('vbd_mode', ['RO', 'RW']);
const VBD_TYPE = oneOf('vbd_type', ['CD', 'Disk', 'Floppy']);

const self = parameter(ref('VBD'), 'The VBD');

export const VBD = describeClass({
  name: 'VBD',
  doc: 'A VDI that the control domain has, or could have, open',
  role: 'vm-admin',
  create: 'vm-admin',
  destroy: 'vm-admin',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    allowed_operations: field(set(VBD_OPERATION), 'dynamic', 'What can be done with it now'),
    current_operations: field(
      map('string', VBD_OPERATION),
      'dynamic',
      'What is being done with it, by task',
    ),
    VM: field(ref('VM'), 'static', 'The control domain'),
    VDI: field(ref('VDI'), 'static', 'What it shows; null while it is empty', {
      byDefault: NULL_REF,
    }),
    device: field(
      'string',
      'static',
      'While it is plugged `rootcast/` and the uuid of the VDI: no device of any host, since nobody here has one. VDI.get_nbd_info says how to read it',
      { byDefault: '' },
    ),
    userdevice: field('string', 'rw', 'A number, a name, or `autodetect` when it is made', {
      byDefault: 'autodetect',
    }),
    bootable: field('bool', 'rw', 'Kept', { byDefault: false }),
    mode: field(VBD_MODE, 'static', 'Whether it writes'),
    type: field(VBD_TYPE, 'rw', 'A CD may be empty', { byDefault: 'Disk' }),
    unpluggable: field('bool', 'rw', 'Kept', { byDefault: true }),
    storage_lock: field('bool', 'dynamic', 'Never', { byDefault: false }),
    empty: field('bool', 'static', 'It shows nothing: a CD drive without a disk', {
      byDefault: false,
    }),
    other_config: field(STRING_MAP, 'rw', "Clients' own", { byDefault: new Map() }),
    currently_attached: field(
      'bool',
      'static',
      'It is plugged: its VDI is in use. Ends with the service, as with a boot of the control domain',
      { byDefault: false },
    ),
    status_code: field('int', 'dynamic', 'Always 0', { byDefault: 0 }),
    status_detail: field('string', 'dynamic', 'Always empty', { byDefault: '' }),
    runtime_properties: field(STRING_MAP, 'dynamic', 'None', { byDefault: new Map() }),
    qos_algorithm_type: field('string', 'rw', 'Kept', { byDefault: '' }),
    qos_algorithm_params: field(STRING_MAP, 'rw', 'Kept', { byDefault: new Map() }),
    qos_supported_algorithms: field(set('string'), 'dynamic', 'None', { byDefault: [] }),
    metrics: field(ref('VBD_metrics'), 'dynamic', 'Always null', {
      byDefault: NULL_REF,
      deprecated: true,
    }),
  },
  messages: {
    plug: message({
      parameters: { self },
      result: 'void',
      role: 'vm-admin',
      doc: 'Opens its VDI: nothing deletes, reverts or resizes it until it is unplugged',
      errors: ['DEVICE_ALREADY_ATTACHED', 'VDI_IN_USE', 'SR_HAS_NO_PBDS', 'VBD_IS_EMPTY'],
    }),
    unplug: message({
      parameters: { self },
      result: 'void',
      role: 'vm-admin',
      doc: 'Closes its VDI',
      errors: ['DEVICE_ALREADY_DETACHED', 'DEVICE_DETACH_REJECTED'],
    }),
    unplug_force: message({
      parameters: { self },
      result: 'void',
      role: 'vm-admin',
      doc: 'As unplug',
      errors: ['DEVICE_ALREADY_DETACHED'],
    }),
    unplug_force_no_safety_check: message({
      parameters: { self },
      result: 'void',
      role: 'vm-admin',
      doc: 'As unplug',
      hidden: true,
      deprecated: true,
    }),
    assert_attachable: message({
      parameters: { self },
      result: 'void',
      role: 'vm-admin',
      doc: 'Fails as plug would',
      errors: ['DEVICE_ALREADY_ATTACHED', 'VDI_IN_USE', 'SR_HAS_NO_PBDS', 'VBD_IS_EMPTY'],
    }),
    insert: message({
      parameters: { vbd: self, vdi: parameter(ref('VDI'), 'What it shows from then on') },
      result: 'void',
      role: 'vm-operator',
      doc: 'Puts a VDI into an empty CD drive',
      errors: ['VBD_NOT_REMOVABLE_MEDIA', 'VBD_NOT_EMPTY'],
    }),
    eject: message({
      parameters: { vbd: self },
      result: 'void',
      role: 'vm-operator',
      doc: 'Takes the VDI out of a CD drive',
      errors: ['VBD_NOT_REMOVABLE_MEDIA', 'VBD_IS_EMPTY'],
    }),
    set_mode: message({
      parameters: { self, value: parameter(VBD_MODE, 'Of the next plug') },
      result: 'void',
      role: 'vm-admin',
      doc: 'Whether it writes. While it is plugged it stays as it is: DEVICE_ALREADY_ATTACHED',
      errors: ['DEVICE_ALREADY_ATTACHED', 'VDI_READONLY'],
    }),
    pause: message({
      parameters: { self },
      result: 'string',
      role: 'vm-admin',
      doc: 'Always refused: of storage drivers',
      errors: ['SR_OPERATION_NOT_SUPPORTED'],
      hidden: true,
    }),
    unpause: message({
      parameters: { self, token: parameter('string', 'Passed over', { byDefault: '' }) },
      result: 'void',
      role: 'vm-admin',
      doc: 'Always refused: of storage drivers',
      errors: ['SR_OPERATION_NOT_SUPPORTED'],
      hidden: true,
    }),
  },
});
