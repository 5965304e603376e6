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

const OPERATION = oneOf('pool_allowed_operations', [
  'ha_enable',
  'ha_disable',
  'cluster_create',
  'designate_new_master',
  'configure_repositories',
  'sync_updates',
  'get_updates',
  'apply_updates',
  'tls_verification_enable',
  'cert_refresh',
  'exchange_certificates_on_join',
  'exchange_ca_certificates_on_join',
  'copy_primary_host_certs',
]);
const TELEMETRY_FREQUENCY = oneOf('telemetry_frequency', ['daily', 'weekly', 'monthly']);
const SYNC_FREQUENCY = oneOf('update_sync_frequency', ['daily', 'weekly']);

const SELF = parameter(ref('pool'), 'the pool');
const NO_HA = 'There is no high availability of virtual machines here';
const NO_UPDATES = 'There are no updates of hosts here';
const NO_WLB = 'There is no workload balancing here';
const NO_TELEMETRY = 'Nothing is collected';

const OF_HA = {
  ha_enabled: field('bool', 'dynamic', NO_HA),
  ha_configuration: field(STRING_MAP, 'dynamic', NO_HA),
  ha_statefiles: field(set('string'), 'dynamic', NO_HA),
  ha_host_failures_to_tolerate: field('int', 'dynamic', NO_HA),
  ha_plan_exists_for: field('int', 'dynamic', NO_HA),
  ha_allow_overcommit: field('bool', 'dynamic', NO_HA),
  ha_overcommitted: field('bool', 'dynamic', NO_HA),
  ha_cluster_stack: field('string', 'dynamic', NO_HA),
  redo_log_enabled: field('bool', 'dynamic', NO_HA),
  redo_log_vdi: field(ref('VDI'), 'dynamic', NO_HA),
} as const;

const OF_UPDATES = {
  repositories: field(set(ref('Repository')), 'dynamic', NO_UPDATES),
  repository_proxy_url: field('string', 'dynamic', NO_UPDATES),
  repository_proxy_username: field('string', 'dynamic', NO_UPDATES),
  repository_proxy_password: field(ref('secret'), 'dynamic', NO_UPDATES),
  last_update_sync: field('datetime', 'dynamic', NO_UPDATES),
  update_sync_frequency: field(SYNC_FREQUENCY, 'dynamic', NO_UPDATES, { byDefault: 'weekly' }),
  update_sync_day: field('int', 'dynamic', NO_UPDATES),
  update_sync_enabled: field('bool', 'dynamic', NO_UPDATES),
} as const;

const OF_OTHERS = {
  wlb_url: field('string', 'dynamic', NO_WLB),
  wlb_username: field('string', 'dynamic', NO_WLB),
  wlb_enabled: field('bool', 'dynamic', NO_WLB),
  wlb_verify_cert: field('bool', 'dynamic', NO_WLB),
  telemetry_uuid: field(ref('secret'), 'dynamic', NO_TELEMETRY),
  telemetry_frequency: field(TELEMETRY_FREQUENCY, 'dynamic', NO_TELEMETRY, {
    byDefault: 'weekly',
  }),
  telemetry_next_collection: field('datetime', 'dynamic', NO_TELEMETRY),
  uefi_certificates: field('string', 'dynamic', 'None'),
  custom_uefi_certificates: field('string', 'dynamic', 'None'),
} as const;

export const POOL = describeClass({
  name: 'pool',
  doc: 'This server: there is one pool, of one host',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    name_label: field('string', 'rw', 'For people; at first the name of the server'),
    name_description: field('string', 'rw', 'For people'),
    master: field(ref('host'), 'dynamic', 'The host'),
    default_SR: field(
      ref('SR'),
      'rw',
      'Where clients put VDIs; until somebody says so, the oldest repository that is not a vDisk library',
    ),
    suspend_image_SR: field(ref('SR'), 'rw', 'Kept for clients'),
    crash_dump_SR: field(ref('SR'), 'rw', 'Kept for clients'),
    other_config: field(STRING_MAP, 'rw', 'What clients keep with it'),
    ...OF_HA,
    blobs: field(map('string', ref('blob')), 'dynamic', 'None'),
    tags: field(set('string'), 'rw', 'For people', { byDefault: [], role: 'vm-operator' }),
    gui_config: field(STRING_MAP, 'rw', 'What clients keep with it', {
      byDefault: new Map(),
      role: 'vm-operator',
    }),
    health_check_config: field(STRING_MAP, 'rw', 'Kept for clients', { byDefault: new Map() }),
    ...OF_OTHERS,
    vswitch_controller: field('string', 'dynamic', 'None'),
    restrictions: field(STRING_MAP, 'dynamic', 'What cannot be done here'),
    metadata_VDIs: field(set(ref('VDI')), 'dynamic', 'None'),
    allowed_operations: field(set(OPERATION), 'dynamic', 'None'),
    current_operations: field(map('string', OPERATION), 'dynamic', 'None'),
    guest_agent_config: field(STRING_MAP, 'dynamic', 'Nothing'),
    cpu_info: field(STRING_MAP, 'dynamic', 'Of the host'),
    policy_no_vendor_device: field('bool', 'rw', 'Kept for clients', { byDefault: false }),
    live_patching_disabled: field('bool', 'rw', 'Kept for clients', { byDefault: false }),
    igmp_snooping_enabled: field('bool', 'dynamic', 'Not done here'),
    is_psr_pending: field('bool', 'dynamic', 'There is no pool secret to rotate'),
    tls_verification_enabled: field('bool', 'dynamic', 'There are no other hosts to verify'),
    client_certificate_auth_enabled: field('bool', 'dynamic', 'Not done here'),
    client_certificate_auth_name: field('string', 'dynamic', 'Not done here'),
    ...OF_UPDATES,
    migration_compression: field('bool', 'rw', 'Kept for clients', { byDefault: false }),
    coordinator_bias: field('bool', 'rw', 'Kept for clients', { byDefault: true }),
    local_auth_max_threads: field('int', 'dynamic', 'Not used', { byDefault: 8 }),
    ext_auth_max_threads: field('int', 'dynamic', 'Not used', { byDefault: 1 }),
  },
  messages: {
    get_license_state: message({
      doc: 'It needs no licence',
      role: 'read-only',
      parameters: { self: SELF },
      result: STRING_MAP,
    }),
    has_extension: message({
      doc: 'False: there are none',
      role: 'pool-admin',
      parameters: { self: SELF, name: parameter('string', 'of an extension') },
      result: 'bool',
      async: false,
    }),
    sync_database: message({
      doc: 'Nothing to do: what is changed is kept before the change is answered',
      role: 'pool-operator',
      parameters: {},
      result: 'void',
    }),
  },
});
