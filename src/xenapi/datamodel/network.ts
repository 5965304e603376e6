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

const OPERATION = oneOf('network_operations', ['attaching']);
const LOCKING_MODE = oneOf('network_default_locking_mode', ['unlocked', 'disabled']);
export const PURPOSE = oneOf('network_purpose', ['nbd', 'insecure_nbd']);

const SELF = parameter(ref('network'), 'the network');

export const NETWORK = describeClass({
  name: 'network',
  doc: 'The network on which the server is reached: there is one',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    name_label: field('string', 'rw', 'For people', { byDefault: '' }),
    name_description: field('string', 'rw', 'For people', { byDefault: '' }),
    allowed_operations: field(set(OPERATION), 'dynamic', 'Nothing'),
    current_operations: field(map('string', OPERATION), 'dynamic', 'Nothing'),
    VIFs: field(set(ref('VIF')), 'dynamic', 'None: no virtual machines run here'),
    PIFs: field(set(ref('PIF')), 'dynamic', 'Interfaces of the host on it', {
      reverse: { of: 'PIF', field: 'network' },
    }),
    MTU: field('int', 'dynamic', 'Octets', { byDefault: 1500 }),
    other_config: field(STRING_MAP, 'rw', 'What clients keep with it', { byDefault: new Map() }),
    bridge: field('string', 'dynamic', 'The interface of the host', { byDefault: '' }),
    managed: field('bool', 'dynamic', 'False: the host, not this server, configures it', {
      byDefault: false,
    }),
    blobs: field(map('string', ref('blob')), 'dynamic', 'None'),
    tags: field(set('string'), 'rw', 'For people', { byDefault: [], role: 'vm-operator' }),
    default_locking_mode: field(LOCKING_MODE, 'dynamic', 'Not used'),
    assigned_ips: field(map(ref('VIF'), 'string'), 'dynamic', 'Nothing'),
    purpose: field(
      set(PURPOSE),
      'dynamic',
      'How blocks may be read over it: `nbd` with TLS, `insecure_nbd` without',
    ),
  },
  messages: {
    add_purpose: message({
      doc: 'Uses it for that from now on',
      role: 'pool-admin',
      parameters: { self: SELF, value: parameter(PURPOSE, 'what for') },
      result: 'void',
      errors: ['NETWORK_INCOMPATIBLE_PURPOSES', 'OPERATION_NOT_ALLOWED'],
    }),
    remove_purpose: message({
      doc: 'Does not use it for that any more',
      role: 'pool-admin',
      parameters: { self: SELF, value: parameter(PURPOSE, 'what for') },
      result: 'void',
    }),
  },
});
