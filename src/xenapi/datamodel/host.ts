import { describeClass, field, map, oneOf, ref, STRING_MAP, set } from './description.ts';
import { HOST_MESSAGES } from './host-messages.ts';

const OPERATION = oneOf('host_allowed_operations', [
  'provision',
  'evacuate',
  'shutdown',
  'reboot',
  'power_on',
  'vm_start',
  'vm_resume',
  'vm_migrate',
  'apply_updates',
  'enable',
]);
const DISPLAY = oneOf('host_display', [
  'enabled',
  'disable_on_reboot',
  'disabled',
  'enable_on_reboot',
]);
const GUIDANCE = oneOf('update_guidances', [
  'reboot_host',
  'reboot_host_on_livepatch_failure',
  'reboot_host_on_kernel_livepatch_failure',
  'reboot_host_on_xen_livepatch_failure',
  'restart_toolstack',
  'restart_device_model',
  'restart_vm',
]);
const UPDATES_APPLIED = oneOf('latest_synced_updates_applied_state', ['yes', 'no', 'unknown']);
const NUMA_POLICY = oneOf('host_numa_affinity_policy', ['any', 'best_effort', 'default_policy']);

const NO_VMS = 'No virtual machines run here';
const NO_HA = 'There is no high availability of virtual machines here';
const NO_UPDATES = 'There are no updates of hosts here';
const NO_DIRECTORY = 'No directory is asked who somebody is';
const NOT_KNOWN = 'Not known';

const OF_VMS = {
  memory_overhead: field('int', 'dynamic', NO_VMS),
  sched_policy: field('string', 'dynamic', NO_VMS),
  supported_bootloaders: field(set('string'), 'dynamic', NO_VMS),
  resident_VMs: field(set(ref('VM')), 'dynamic', NO_VMS),
  crashdumps: field(set(ref('host_crashdump')), 'dynamic', NO_VMS),
  control_domain: field(ref('VM'), 'dynamic', NO_VMS),
  guest_VCPUs_params: field(STRING_MAP, 'dynamic', NO_VMS),
  virtual_hardware_platform_versions: field(set('int'), 'dynamic', NO_VMS),
  PGPUs: field(set(ref('PGPU')), 'dynamic', NO_VMS),
  PUSBs: field(set(ref('PUSB')), 'dynamic', NO_VMS),
  numa_affinity_policy: field(NUMA_POLICY, 'dynamic', NO_VMS, { byDefault: 'default_policy' }),
} as const;

const OF_UPDATES = {
  patches: field(set(ref('host_patch')), 'dynamic', NO_UPDATES),
  updates: field(set(ref('pool_update')), 'dynamic', NO_UPDATES),
  updates_requiring_reboot: field(set(ref('pool_update')), 'dynamic', NO_UPDATES),
  pending_guidances: field(set(GUIDANCE), 'dynamic', NO_UPDATES),
  pending_guidances_recommended: field(set(GUIDANCE), 'dynamic', NO_UPDATES),
  pending_guidances_full: field(set(GUIDANCE), 'dynamic', NO_UPDATES),
  last_software_update: field('datetime', 'dynamic', NO_UPDATES),
  latest_synced_updates_applied: field(UPDATES_APPLIED, 'dynamic', NO_UPDATES, {
    byDefault: 'unknown',
  }),
  last_update_hash: field('string', 'dynamic', NO_UPDATES),
} as const;

export const HOST = describeClass({
  name: 'host',
  doc: 'The host that this server runs on',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    name_label: field('string', 'rw', 'For people; at first the name of the server'),
    name_description: field('string', 'rw', 'For people'),
    allowed_operations: field(set(OPERATION), 'dynamic', 'None'),
    current_operations: field(map('string', OPERATION), 'dynamic', 'None'),
    API_version_major: field('int', 'dynamic', 'Of the calls that it answers'),
    API_version_minor: field('int', 'dynamic', 'Of the calls that it answers'),
    API_version_vendor: field('string', 'dynamic', 'Who made this server'),
    API_version_vendor_implementation: field(STRING_MAP, 'dynamic', 'Its version'),
    enabled: field('bool', 'dynamic', 'True: it answers'),
    software_version: field(STRING_MAP, 'dynamic', 'See docs/XENAPI.md: what it says and why'),
    other_config: field(STRING_MAP, 'rw', 'What clients keep with it, and when it was started'),
    capabilities: field(set('string'), 'dynamic', 'None of Xen'),
    cpu_configuration: field(STRING_MAP, 'dynamic', 'Nothing'),
    logging: field(STRING_MAP, 'rw', 'Kept for clients'),
    PIFs: field(set(ref('PIF')), 'dynamic', 'Its interfaces', {
      reverse: { of: 'PIF', field: 'host' },
    }),
    suspend_image_sr: field(ref('SR'), 'rw', 'Kept for clients'),
    crash_dump_sr: field(ref('SR'), 'rw', 'Kept for clients'),
    PBDs: field(set(ref('PBD')), 'dynamic', 'What attaches repositories to it', {
      reverse: { of: 'PBD', field: 'host' },
    }),
    host_CPUs: field(set(ref('host_cpu')), 'dynamic', 'None: see cpu_info'),
    cpu_info: field(STRING_MAP, 'dynamic', 'Its processors'),
    hostname: field('string', 'dynamic', 'As the host calls itself'),
    address: field('string', 'dynamic', 'Where clients reach it'),
    metrics: field(ref('host_metrics'), 'dynamic', 'Its figures'),
    license_params: field(STRING_MAP, 'dynamic', 'It needs no licence'),
    ha_statefiles: field(set('string'), 'dynamic', NO_HA),
    ha_network_peers: field(set('string'), 'dynamic', NO_HA),
    blobs: field(map('string', ref('blob')), 'dynamic', 'None'),
    tags: field(set('string'), 'rw', 'For people', { byDefault: [], role: 'vm-operator' }),
    external_auth_type: field('string', 'dynamic', NO_DIRECTORY),
    external_auth_service_name: field('string', 'dynamic', NO_DIRECTORY),
    external_auth_configuration: field(STRING_MAP, 'dynamic', NO_DIRECTORY),
    edition: field('string', 'dynamic', 'It needs no licence'),
    editions: field(set('string'), 'dynamic', 'It needs no licence'),
    license_server: field(STRING_MAP, 'dynamic', 'It needs no licence'),
    bios_strings: field(STRING_MAP, 'dynamic', NOT_KNOWN),
    power_on_mode: field('string', 'dynamic', 'It cannot be powered on from here'),
    power_on_config: field(STRING_MAP, 'dynamic', 'It cannot be powered on from here'),
    local_cache_sr: field(ref('SR'), 'dynamic', 'None'),
    chipset_info: field(STRING_MAP, 'dynamic', NOT_KNOWN),
    PCIs: field(set(ref('PCI')), 'dynamic', NOT_KNOWN),
    ssl_legacy: field('bool', 'dynamic', 'False'),
    display: field(DISPLAY, 'dynamic', NOT_KNOWN, { byDefault: 'enabled' }),
    features: field(set(ref('Feature')), 'dynamic', 'None'),
    iscsi_iqn: field('string', 'dynamic', 'What its initiator calls itself, if it is known'),
    multipathing: field('bool', 'dynamic', 'True: iSCSI paths of one LUN are used together'),
    uefi_certificates: field('string', 'dynamic', 'None'),
    certificates: field(set(ref('Certificate')), 'dynamic', 'None'),
    tls_verification_enabled: field('bool', 'dynamic', 'There are no other hosts to verify'),
    https_only: field('bool', 'dynamic', 'Whether XenAPI is answered with TLS only'),
    ...OF_VMS,
    ...OF_UPDATES,
  },
  messages: HOST_MESSAGES,
});
