/** Structs that storage classes give and take by value. */
import { oneOf, option, record, STRING_MAP } from './description.ts';

export const SR_STAT = record('sr_stat', {
  uuid: option('string'),
  name_label: 'string',
  name_description: 'string',
  /** Bytes. */
  free_space: 'int',
  total_space: 'int',
  clustered: 'bool',
  health: oneOf('sr_health', ['healthy', 'recovering', 'unreachable', 'unavailable']),
});

export const PROBE_RESULT = record('probe_result', {
  /** To be given as device_config. */
  configuration: STRING_MAP,
  /** Whether nothing is missing in it. */
  complete: 'bool',
  /** What lies there. */
  sr: option(SR_STAT),
  extra_info: STRING_MAP,
});

/** In the order in which allowed_operations has them. */
export const STORAGE_OPERATIONS = oneOf('storage_operations', [
  'scan',
  'destroy',
  'forget',
  'plug',
  'unplug',
  'update',
  'vdi_create',
  'vdi_introduce',
  'vdi_destroy',
  'vdi_resize',
  'vdi_clone',
  'vdi_snapshot',
  'vdi_mirror',
  'vdi_enable_cbt',
  'vdi_disable_cbt',
  'vdi_data_destroy',
  'vdi_list_changed_blocks',
  'vdi_set_on_boot',
  'vdi_blocked',
  'vdi_copy',
  'vdi_force_unlock',
  'vdi_forget',
  'vdi_generate_config',
  'vdi_resize_online',
  'vdi_update',
  'vdi_revert',
  'pbd_create',
  'pbd_destroy',
]);
export type StorageOperation = (typeof STORAGE_OPERATIONS)['values'][number];
