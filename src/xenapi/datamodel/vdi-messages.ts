/** The messages of VDI beside those that follow from its fields. */
import { NULL_REF } from '../objects/refs.ts';
import { message, parameter, ref, STRING_MAP, set } from './description.ts';
import { ON_BOOT, VDI_NBD_SERVER_INFO, VDI_TYPE } from './vdi-types.ts';

const VDI = ref('VDI');
const self = parameter(VDI, 'The VDI');
const vdi = self;
const DRIVER_PARAMS = parameter(STRING_MAP, 'Passed over', { byDefault: new Map() });
const AWAY = ['SR_NOT_ATTACHED', 'SR_HAS_NO_PBDS', 'VDI_MISSING', 'SR_OPERATION_NOT_SUPPORTED'];

/** The parameters of VDI.introduce. All behind sm_config are passed over: the storage knows better. */
const INTRODUCED = {
  uuid: parameter('string', 'Empty: its own'),
  name_label: parameter('string', 'Empty: that of the storage'),
  name_description: parameter('string', 'Empty: that of the storage'),
  SR: parameter(ref('SR'), 'Where it lies'),
  type: parameter(VDI_TYPE, 'What it is for'),
  sharable: parameter('bool', 'See the field'),
  read_only: parameter('bool', 'Passed over, as xapi does'),
  other_config: parameter(STRING_MAP, 'See the field'),
  location: parameter(
    'string',
    "Rootcast's id of a volume that was forgotten, or the storage's own of one that is not ours yet",
  ),
  xenstore_data: parameter(STRING_MAP, 'See the field', { byDefault: new Map() }),
  sm_config: parameter(STRING_MAP, 'See the field', { byDefault: new Map() }),
  managed: parameter('bool', 'Passed over', { byDefault: true }),
  virtual_size: parameter('int', 'Passed over', { byDefault: 0 }),
  physical_utilisation: parameter('int', 'Passed over', { byDefault: 0 }),
  metadata_of_pool: parameter(ref('pool'), 'Passed over', { byDefault: NULL_REF }),
  is_a_snapshot: parameter('bool', 'Passed over', { byDefault: false }),
  snapshot_time: parameter('datetime', 'Passed over', { byDefault: 0 }),
  snapshot_of: parameter(VDI, 'Passed over', { byDefault: NULL_REF }),
};

const DATABASE_INTRODUCE = message({
  parameters: {
    ...INTRODUCED,
    cbt_enabled: parameter('bool', 'Passed over', { byDefault: false }),
  },
  result: VDI,
  role: 'pool-admin',
  doc: 'Of the service itself: always refused',
  errors: ['PERMISSION_DENIED'],
  hidden: true,
});

/** A setter of what only the storage says. */
const ownSetter = <const T extends Parameters<typeof parameter>[0]>(type: T) =>
  message({
    parameters: { self, value: parameter(type, 'Passed over') },
    result: 'void',
    role: 'pool-admin',
    doc: 'Of storage drivers: always refused',
    errors: ['PERMISSION_DENIED'],
    hidden: true,
  });

const STORAGE_MESSAGES = {
  snapshot: message({
    parameters: { vdi, driver_params: DRIVER_PARAMS },
    result: VDI,
    role: 'vm-admin',
    doc: 'Takes a snapshot: a read-only VDI of the same SR with the same texts, tags and other_config. Of a snapshot: refused, its clones are as good',
    errors: [...AWAY, 'VDI_IS_SHARABLE', 'OPERATION_NOT_ALLOWED', 'VDI_INCOMPATIBLE_TYPE'],
  }),
  clone: message({
    parameters: { vdi, driver_params: DRIVER_PARAMS },
    result: VDI,
    role: 'vm-admin',
    doc: 'A VDI of the same SR that can be written to and shares blocks with this one, where the storage or our layers can do that; else a full copy',
    errors: [...AWAY, 'VDI_INCOMPATIBLE_TYPE', 'OPERATION_NOT_ALLOWED'],
  }),
  copy: message({
    parameters: {
      vdi,
      sr: parameter(ref('SR'), 'Of the new VDI; null: that of this one', { byDefault: NULL_REF }),
      base_vdi: parameter(VDI, 'Only what differs from it is written', { byDefault: NULL_REF }),
      into_vdi: parameter(VDI, 'What is written to; null: a new one', { byDefault: NULL_REF }),
    },
    result: VDI,
    role: 'vm-admin',
    doc: 'Copies it. Into a VDI that is there: what is not zeroes, and the rest stays as it is. With a base: only blocks that differ from it, zeroes too; into a new VDI, that is a difference then: copied over a copy of the base it makes this one again. With into_vdi as base_vdi, that is made equal to this one',
    errors: ['VDI_READONLY', 'VDI_TOO_SMALL', 'VDI_NOT_SPARSE', 'VDI_IN_USE', ...AWAY],
  }),
  revert: message({
    parameters: { snapshot: parameter(VDI, 'The snapshot') },
    result: 'void',
    role: 'vm-power-admin',
    doc: 'What the snapshot was taken of is as it was then; it stays the same VDI',
    errors: ['ONLY_REVERT_SNAPSHOT', 'VDI_IN_USE', ...AWAY],
  }),
  resize: message({
    parameters: { vdi, size: parameter('int', 'Bytes; the storage may round it up') },
    result: 'void',
    role: 'vm-admin',
    doc: 'Makes it larger. Never smaller: SR_BACKEND_FAILURE_79',
    errors: ['VDI_IN_USE', 'VDI_READONLY', ...AWAY],
  }),
  resize_online: message({
    parameters: { vdi, size: parameter('int', 'Bytes; the storage may round it up') },
    result: 'void',
    role: 'vm-admin',
    doc: 'As resize, also while a VBD of it is plugged: who has it open sees the new size when it opens it again',
    errors: ['VDI_READONLY', ...AWAY],
  }),
  introduce: message({
    parameters: INTRODUCED,
    result: VDI,
    role: 'vm-admin',
    doc: 'Shows a volume that the SR has and XenAPI does not: one that was forgotten, or one of the storage that is not ours yet (it becomes ours)',
    errors: ['LOCATION_NOT_UNIQUE', 'UUID_INVALID', 'VDI_LOCATION_MISSING', ...AWAY],
  }),
  forget: message({
    parameters: { vdi },
    result: 'void',
    role: 'vm-admin',
    doc: 'Drops the record. The volume stays as it is, and is shown again by SR.scan or VDI.introduce',
    errors: ['VDI_IN_USE'],
  }),
  update: message({
    parameters: { vdi },
    result: 'void',
    role: 'vm-admin',
    doc: 'Asks the storage how much it occupies',
    errors: AWAY,
  }),
  pool_migrate: message({
    parameters: {
      vdi,
      sr: parameter(ref('SR'), 'Where to'),
      options: parameter(STRING_MAP, 'Passed over'),
    },
    result: VDI,
    role: 'vm-power-admin',
    doc: 'Always refused: no running VM uses it. VDI.copy and VDI.destroy do it, and clients fall back to them',
    errors: ['VDI_NEEDS_VM_FOR_MIGRATE', 'VDI_CBT_ENABLED', 'VDI_INCOMPATIBLE_TYPE'],
  }),
};

const TRACKING_MESSAGES = {
  enable_cbt: message({
    parameters: { self },
    result: 'void',
    role: 'vm-admin',
    doc: 'From now on it is noted which of its blocks change. Done already: nothing happens',
    errors: ['OPERATION_NOT_ALLOWED', 'VDI_INCOMPATIBLE_TYPE', ...AWAY],
  }),
  disable_cbt: message({
    parameters: { self },
    result: 'void',
    role: 'vm-admin',
    doc: 'It is not noted any more; its snapshots keep what they have',
    errors: ['OPERATION_NOT_ALLOWED', 'VDI_INCOMPATIBLE_TYPE', ...AWAY],
  }),
  data_destroy: message({
    parameters: { self },
    result: 'void',
    role: 'vm-admin',
    doc: 'Deletes the snapshot, and keeps which blocks had changed up to it. Done already: nothing happens',
    errors: ['OPERATION_NOT_ALLOWED', 'VDI_NO_CBT_METADATA', 'VDI_IN_USE', ...AWAY],
  }),
  list_changed_blocks: message({
    parameters: {
      vdi_from: parameter(VDI, 'The older one'),
      vdi_to: parameter(VDI, 'The newer one'),
    },
    result: 'string',
    role: 'vm-operator',
    doc: 'Base64 of a bitmap of 64 KiB blocks, the first in the highest bit: 1 where they may differ. Not related, or not tracked all the time: SR_BACKEND_FAILURE_460',
    errors: ['VDI_IN_USE', ...AWAY],
  }),
  get_nbd_info: message({
    parameters: { self },
    result: set(VDI_NBD_SERVER_INFO),
    role: 'vm-admin',
    doc: 'Where it can be read by NBD: an entry for each address whose network is for that',
    errors: ['VDI_INCOMPATIBLE_TYPE'],
    async: false,
  }),
};

const SETTERS = {
  set_name_label: message({
    parameters: { self, value: parameter('string', 'Any text') },
    result: 'void',
    role: 'vm-admin',
    doc: 'The volume gets a name made of it: of the letters, digits, `-`, `_` and `.`, and unlike any other',
    errors: AWAY,
  }),
  set_name_description: message({
    parameters: { self, value: parameter('string', 'Any text') },
    result: 'void',
    role: 'vm-admin',
    doc: 'For people',
    errors: AWAY,
  }),
  set_sharable: message({
    parameters: { self, value: parameter('bool', 'See the field') },
    result: 'void',
    role: 'vm-admin',
    doc: 'See the field',
    async: false,
  }),
  set_read_only: message({
    parameters: { self, value: parameter('bool', 'See the field') },
    result: 'void',
    role: 'vm-admin',
    doc: 'See the field. What cannot be written to stays so: VDI_READONLY',
    async: false,
  }),
  set_on_boot: message({
    parameters: { self, value: parameter(ON_BOOT, 'persist') },
    result: 'void',
    role: 'vm-admin',
    doc: 'Nothing here boots of it and forgets what was written: reset is refused',
    errors: ['SR_OPERATION_NOT_SUPPORTED', 'VDI_CBT_ENABLED'],
  }),
  set_allow_caching: message({
    parameters: { self, value: parameter('bool', 'See the field') },
    result: 'void',
    role: 'vm-admin',
    doc: 'See the field',
  }),
};

const OTHER_MESSAGES = {
  open_database: message({
    parameters: { self },
    result: ref('session'),
    role: 'pool-operator',
    doc: 'Always refused: no VDI here holds the database of a pool',
    errors: ['VDI_INCOMPATIBLE_TYPE', 'NOT_IMPLEMENTED'],
  }),
  read_database_pool_uuid: message({
    parameters: { self },
    result: 'string',
    role: 'read-only',
    doc: 'Always empty: no VDI here holds the database of a pool',
  }),
  generate_config: message({
    parameters: { host: parameter(ref('host'), 'Passed over'), vdi },
    result: 'string',
    role: 'vm-admin',
    doc: 'A text that names the VDI and its SR',
    errors: AWAY,
    hidden: true,
  }),
  checksum: message({
    parameters: { self },
    result: 'string',
    role: 'vm-admin',
    doc: 'MD5 of all of its bytes, in hex',
    errors: AWAY,
    hidden: true,
  }),
  force_unlock: message({
    parameters: { vdi },
    result: 'void',
    role: 'vm-admin',
    doc: 'Does nothing since Miami',
    errors: ['MESSAGE_DEPRECATED'],
    hidden: true,
    deprecated: true,
  }),
};

const OWN_MESSAGES = {
  db_introduce: DATABASE_INTRODUCE,
  pool_introduce: DATABASE_INTRODUCE,
  db_forget: message({
    parameters: { vdi },
    result: 'void',
    role: 'pool-admin',
    doc: 'Of the service itself: always refused',
    errors: ['PERMISSION_DENIED'],
    hidden: true,
  }),
  set_managed: ownSetter('bool'),
  set_missing: ownSetter('bool'),
  set_virtual_size: ownSetter('int'),
  set_physical_utilisation: ownSetter('int'),
  set_is_a_snapshot: ownSetter('bool'),
  set_snapshot_of: ownSetter(VDI),
  set_snapshot_time: ownSetter('datetime'),
  set_metadata_of_pool: ownSetter(ref('pool')),
  set_cbt_enabled: ownSetter('bool'),
};

/** Those that are always refused: they are of xapi's own processes. */
export const OWN_MESSAGE_NAMES = Object.keys(
  OWN_MESSAGES,
) as readonly (keyof typeof OWN_MESSAGES)[];

export const VDI_MESSAGES = {
  ...STORAGE_MESSAGES,
  ...TRACKING_MESSAGES,
  ...SETTERS,
  ...OTHER_MESSAGES,
  ...OWN_MESSAGES,
};
