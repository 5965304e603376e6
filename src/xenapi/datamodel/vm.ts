/**
 * Virtual machines (xen-api datamodel_vm.ml): there is one, the control domain, that VBDs are of. It can be read; the
 * fields are those that storage clients look at.
 */
import { NULL_REF } from '../objects/refs.ts';
import {
  type Access,
  type ApiType,
  describeClass,
  field as describedField,
  map,
  message,
  oneOf,
  parameter,
  ref,
  STRING_MAP,
  set,
  type ValueOf,
} from './description.ts';

const POWER_STATE = oneOf('vm_power_state', ['Halted', 'Paused', 'Running', 'Suspended']);
const VM_OPERATION = oneOf('vm_operations', ['snapshot', 'clone', 'copy']);
const AFTER_NORMAL = oneOf('on_normal_exit', ['destroy', 'restart']);
const AFTER_CRASH = oneOf('on_crash_behaviour', ['destroy', 'restart', 'preserve']);
const DOMAIN_TYPE = oneOf('domain_type', ['hvm', 'pv', 'pvh', 'pv_in_pvh', 'unspecified']);

/** Nothing of it changes. */
const field = <const T extends ApiType>(type: T, doc: string, byDefault: ValueOf<T>) =>
  describedField<T, Access>(type, 'dynamic', doc, { byDefault });

const text = (doc: string, byDefault = '') => field('string', doc, byDefault);
const whole = (doc: string, byDefault = 0) => field('int', doc, byDefault);
const never = (doc: string) => field('bool', doc, false);
const none = (of: string) => field(set(ref(of)), 'None', []);
const nobody = (of: string) => field(ref(of), 'Always null', NULL_REF);
const words = (doc: string) => field(STRING_MAP, doc, new Map());

export const VM = describeClass({
  name: 'VM',
  doc: 'The control domain: this service',
  role: 'pool-admin',
  fields: {
    uuid: describedField('string', 'dynamic', 'Its own'),
    allowed_operations: field(set(VM_OPERATION), 'None', []),
    current_operations: field(map('string', VM_OPERATION), 'None', new Map()),
    name_label: text('Control domain on host: and its name'),
    name_description: text(
      'For people',
      'The domain which manages physical devices and manages other domains',
    ),
    power_state: field(POWER_STATE, 'It runs', 'Running'),
    user_version: whole('Of clients'),
    is_a_template: never('Never'),
    is_default_template: never('Never'),
    suspend_VDI: nobody('VDI'),
    resident_on: nobody('host'),
    scheduled_to_be_resident_on: nobody('host'),
    affinity: nobody('host'),
    memory_overhead: whole('Not told'),
    memory_target: whole('Not told'),
    memory_static_max: whole('Not told'),
    memory_dynamic_max: whole('Not told'),
    memory_dynamic_min: whole('Not told'),
    memory_static_min: whole('Not told'),
    VCPUs_params: words('None'),
    VCPUs_max: whole('Not told', 1),
    VCPUs_at_startup: whole('Not told', 1),
    actions_after_shutdown: field(AFTER_NORMAL, 'As always', 'destroy'),
    actions_after_reboot: field(AFTER_NORMAL, 'As always', 'destroy'),
    actions_after_crash: field(AFTER_CRASH, 'As always', 'destroy'),
    consoles: none('console'),
    VIFs: none('VIF'),
    VBDs: describedField(set(ref('VBD')), 'dynamic', 'Its devices', {
      reverse: { of: 'VBD', field: 'VM' },
    }),
    VUSBs: none('VUSB'),
    crash_dumps: none('crashdump'),
    VTPMs: none('VTPM'),
    PV_bootloader: text('None'),
    PV_kernel: text('None'),
    PV_ramdisk: text('None'),
    PV_args: text('None'),
    PV_bootloader_args: text('None'),
    PV_legacy_args: text('None'),
    HVM_boot_policy: text('None'),
    HVM_boot_params: words('None'),
    platform: words('None'),
    PCI_bus: text('None'),
    other_config: words('None'),
    domid: whole('Always 0'),
    domarch: text('Not told'),
    last_boot_CPU_flags: words('None'),
    is_control_domain: field('bool', 'It is', true),
    metrics: nobody('VM_metrics'),
    guest_metrics: nobody('VM_guest_metrics'),
    last_booted_record: text('None'),
    recommendations: text('None'),
    xenstore_data: words('None'),
    ha_always_run: never('Never'),
    ha_restart_priority: text('None'),
    is_a_snapshot: never('Never'),
    snapshot_of: nobody('VM'),
    snapshots: none('VM'),
    snapshot_time: field('datetime', 'Never', 0),
    transportable_snapshot_id: text('None'),
    blobs: field(map('string', ref('blob')), 'None', new Map()),
    tags: field(set('string'), 'None', []),
    blocked_operations: field(map(VM_OPERATION, 'string'), 'None', new Map()),
    snapshot_info: words('None'),
    snapshot_metadata: text('None'),
    parent: nobody('VM'),
    children: none('VM'),
    bios_strings: words('None'),
    start_delay: whole('None'),
    shutdown_delay: whole('None'),
    order: whole('None'),
    VGPUs: none('VGPU'),
    attached_PCIs: none('PCI'),
    suspend_SR: nobody('SR'),
    version: whole('None'),
    generation_id: text('None'),
    hardware_platform_version: whole('None'),
    has_vendor_device: never('Never'),
    requires_reboot: never('Never'),
    reference_label: text('None'),
    domain_type: field(DOMAIN_TYPE, 'As that of xapi', 'pv'),
    NVRAM: words('None'),
  },
  messages: {
    get_allowed_VBD_devices: message({
      parameters: { vm: parameter(ref('VM'), 'The control domain') },
      result: set('string'),
      role: 'read-only',
      doc: 'Numbers that a new VBD can have as its userdevice',
      async: false,
    }),
  },
});
