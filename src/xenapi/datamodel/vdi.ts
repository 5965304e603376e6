/** Virtual disk images (xen-api datamodel.ml, module VDI): our volumes, snapshots and versions of vDisks. */
import { NULL_REF } from '../objects/refs.ts';
import {
  describeClass,
  field,
  map,
  oneOf,
  type Role,
  ref,
  STRING_MAP,
  set,
} from './description.ts';
import { VDI_MESSAGES } from './vdi-messages.ts';
import { ON_BOOT, VDI_TYPE } from './vdi-types.ts';

/** What is told in allowed_operations and current_operations. */
const VDI_OPERATION = oneOf('vdi_operations', [
  'clone',
  'copy',
  'resize',
  'resize_online',
  'snapshot',
  'mirror',
  'destroy',
  'forget',
  'update',
  'force_unlock',
  'generate_config',
  'enable_cbt',
  'disable_cbt',
  'data_destroy',
  'list_changed_blocks',
  'set_on_boot',
  'blocked',
  'revert_to',
  'revert_from',
]);
export type VdiOperation = (typeof VDI_OPERATION)['values'][number];

const TAGGERS: Role = 'vm-operator';

export const VDI = describeClass({
  name: 'VDI',
  doc: 'A virtual disk image: a volume, a snapshot of one, a vDisk or one of its versions',
  role: 'vm-admin',
  create: 'vm-admin',
  destroy: 'vm-admin',
  fields: {
    uuid: field('string', 'dynamic', "Rootcast's id of the volume, unless a client chose one"),
    name_label: field('string', 'static', 'As it was typed: any text, also that of another', {
      byDefault: '',
    }),
    name_description: field('string', 'static', 'For people', { byDefault: '' }),
    allowed_operations: field(set(VDI_OPERATION), 'dynamic', 'What can be done with it now'),
    current_operations: field(
      map('string', VDI_OPERATION),
      'dynamic',
      'What is being done with it, by task',
    ),
    SR: field(ref('SR'), 'static', 'Where it lies'),
    VBDs: field(set(ref('VBD')), 'dynamic', 'Devices that show it', {
      reverse: { of: 'VBD', field: 'VDI' },
    }),
    crash_dumps: field(set(ref('crashdump')), 'dynamic', 'None'),
    virtual_size: field('int', 'static', 'Bytes; at least what was asked for'),
    physical_utilisation: field(
      'int',
      'dynamic',
      'Bytes that it occupies: all of a thick volume; of a thin one what its storage said at the last VDI.update, 0 before',
    ),
    type: field(VDI_TYPE, 'static', 'What it is for'),
    sharable: field(
      'bool',
      'static',
      'Several may write to it; they order their writes themselves',
    ),
    read_only: field(
      'bool',
      'static',
      'Nobody writes to it: a snapshot, a replica, a vDisk; or one so declared',
    ),
    other_config: field(STRING_MAP, 'rw', "Clients' own"),
    storage_lock: field('bool', 'dynamic', 'Never'),
    location: field('string', 'dynamic', "Rootcast's id of it", { byDefault: '' }),
    managed: field('bool', 'dynamic', 'Always'),
    missing: field('bool', 'dynamic', 'Never: what is gone has no record'),
    parent: field(ref('VDI'), 'dynamic', 'Always null', { byDefault: NULL_REF, deprecated: true }),
    xenstore_data: field(STRING_MAP, 'rw', "Clients' own", { byDefault: new Map() }),
    sm_config: field(
      STRING_MAP,
      'rw',
      "Clients' own; `vhd-parent` is the uuid of what a linked clone stands on",
      { byDefault: new Map() },
    ),
    is_a_snapshot: field('bool', 'dynamic', 'It is a snapshot, or a version of a vDisk', {
      byDefault: false,
    }),
    snapshot_of: field(ref('VDI'), 'dynamic', 'What it is a snapshot of; null: that is gone', {
      byDefault: NULL_REF,
    }),
    snapshots: field(set(ref('VDI')), 'dynamic', 'Snapshots of it', {
      reverse: { of: 'VDI', field: 'snapshot_of' },
    }),
    snapshot_time: field('datetime', 'dynamic', 'When it was taken; of a version: sealed', {
      byDefault: 0,
    }),
    tags: field(set('string'), 'rw', 'Words for people; of a version: what it is for', {
      byDefault: [],
      role: TAGGERS,
    }),
    allow_caching: field('bool', 'dynamic', 'Kept; hosts that cache look at it', {
      byDefault: false,
    }),
    on_boot: field(ON_BOOT, 'dynamic', 'What a boot does to it: it stays as it is', {
      byDefault: 'persist',
    }),
    metadata_of_pool: field(ref('pool'), 'dynamic', 'Always null', { byDefault: NULL_REF }),
    metadata_latest: field('bool', 'dynamic', 'Never', { byDefault: false }),
    is_tools_iso: field('bool', 'dynamic', 'Never', { byDefault: false }),
    cbt_enabled: field('bool', 'dynamic', 'Which of its blocks change is noted', {
      byDefault: false,
    }),
  },
  messages: VDI_MESSAGES,
});
