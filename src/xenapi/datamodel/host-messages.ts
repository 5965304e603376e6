import {
  type Messages,
  map,
  message,
  parameter,
  record,
  ref,
  STRING_MAP,
  set,
} from './description.ts';

const HOST = parameter(ref('host'), 'the host');
const SOURCE = parameter('string', 'the name of a source');

export const DATA_SOURCE = record('data_source', {
  name_label: 'string',
  name_description: 'string',
  enabled: 'bool',
  standard: 'bool',
  units: 'string',
  min: 'float',
  max: 'float',
  value: 'float',
});

const TIMES = {
  get_servertime: message({
    doc: 'What time it is, in UTC',
    role: 'read-only',
    parameters: { host: HOST },
    result: 'datetime',
  }),
  get_server_localtime: message({
    doc: 'What time it is where the host is',
    role: 'read-only',
    parameters: { host: HOST },
    result: 'datetime',
  }),
} as const satisfies Messages;

const FIGURES = {
  get_data_sources: message({
    doc: 'What figures are recorded (see /rrd_updates)',
    role: 'read-only',
    parameters: { host: HOST },
    result: set(DATA_SOURCE),
    async: false,
  }),
  query_data_source: message({
    doc: 'The last value of one',
    role: 'read-only',
    parameters: { host: HOST, data_source: SOURCE },
    result: 'float',
    errors: ['INVALID_VALUE'],
    async: false,
  }),
  record_data_source: message({
    doc: 'Nothing to do: all are recorded',
    role: 'pool-operator',
    parameters: { host: HOST, data_source: SOURCE },
    result: 'void',
    errors: ['INVALID_VALUE'],
    async: false,
  }),
  forget_data_source_archives: message({
    doc: 'Forgets what was recorded of one',
    role: 'pool-operator',
    parameters: { host: HOST, data_source: SOURCE },
    result: 'void',
    errors: ['INVALID_VALUE'],
    async: false,
  }),
} as const satisfies Messages;

const OF_VMS = {
  compute_free_memory: message({
    doc: 'Bytes of memory that are free',
    role: 'read-only',
    parameters: { host: HOST },
    result: 'int',
  }),
  compute_memory_overhead: message({
    doc: 'Nothing: no virtual machines run here',
    role: 'read-only',
    parameters: { host: HOST },
    result: 'int',
  }),
  get_vms_which_prevent_evacuation: message({
    doc: 'None: no virtual machines run here',
    role: 'read-only',
    parameters: { self: parameter(ref('host'), 'the host') },
    result: map(ref('VM'), set('string')),
  }),
  get_uncooperative_resident_VMs: message({
    doc: 'None: no virtual machines run here',
    role: 'read-only',
    parameters: { self: parameter(ref('host'), 'the host') },
    result: set(ref('VM')),
  }),
} as const satisfies Messages;

export const HOST_MESSAGES = {
  ...TIMES,
  ...FIGURES,
  ...OF_VMS,
  call_plugin: message({
    doc: 'There are no plugins',
    role: 'pool-admin',
    parameters: {
      host: HOST,
      plugin: parameter('string', 'its name'),
      fn: parameter('string', 'what it is to do'),
      args: parameter(STRING_MAP, 'with what'),
    },
    result: 'string',
    errors: ['XENAPI_MISSING_PLUGIN'],
  }),
  call_extension: message({
    doc: 'There are no extensions',
    role: 'pool-admin',
    parameters: { host: HOST, call: parameter('string', 'its name') },
    result: 'string',
    errors: ['MESSAGE_METHOD_UNKNOWN'],
  }),
  has_extension: message({
    doc: 'False: there are none',
    role: 'pool-admin',
    parameters: { host: HOST, name: parameter('string', 'of an extension') },
    result: 'bool',
    async: false,
  }),
  list_methods: message({
    doc: 'The same as system.listMethods',
    role: 'read-only',
    parameters: {},
    result: set('string'),
    async: false,
  }),
  get_management_interface: message({
    doc: 'The interface on which it is reached',
    role: 'pool-operator',
    parameters: { host: HOST },
    result: ref('PIF'),
  }),
} as const satisfies Messages;
