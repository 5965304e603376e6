import { oneOf, option, record } from './description.ts';

export const VDI_TYPE = oneOf('vdi_type', [
  'system',
  'user',
  'ephemeral',
  'suspend',
  'crashdump',
  'ha_statefile',
  'metadata',
  'redo_log',
  'rrd',
  'pvs_cache',
  // What is left of a snapshot after data_destroy.
  'cbt_metadata',
]);
export type VdiType = (typeof VDI_TYPE)['values'][number];

export const ON_BOOT = oneOf('on_boot', ['reset', 'persist']);

export const VDI_NBD_SERVER_INFO = record('vdi_nbd_server_info', {
  exportname: 'string',
  address: 'string',
  port: 'int',
  /** PEM. Left out where it speaks no TLS: clients take an empty one for a wish to use it. */
  cert: option('string'),
  /** A name of the certificate. */
  subject: 'string',
});
