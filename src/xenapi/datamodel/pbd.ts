import { describeClass, field, message, parameter, ref, STRING_MAP } from './description.ts';

const PBD_PARAMETER = parameter(ref('PBD'), 'The way to an SR');

export const PBD = describeClass({
  name: 'PBD',
  doc: 'How a host reaches an SR: where its storage is, and whether it is attached',
  role: 'pool-operator',
  create: 'pool-operator',
  destroy: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Identifies it'),
    host: field(ref('host'), 'static', 'The host: the only one'),
    SR: field(ref('SR'), 'static', 'The storage repository'),
    device_config: field(
      STRING_MAP,
      'static',
      "Where the storage is, by the driver's own keys; instead of a password the uuid of a secret",
    ),
    currently_attached: field('bool', 'dynamic', 'Whether the SR can be used'),
    other_config: field(
      STRING_MAP,
      'rw',
      'For clients. rootcast-unreachable: why the storage cannot be reached; rootcast-take-over=true: the next plug takes the storage from the server that has it',
      { byDefault: new Map() },
    ),
  },
  messages: {
    plug: message({
      parameters: { self: PBD_PARAMETER },
      result: 'void',
      role: 'pool-operator',
      doc: 'Attaches the SR. Of one that is attached nothing happens',
      errors: ['SR_UNKNOWN_DRIVER', 'SR_DEVICE_IN_USE', 'OTHER_OPERATION_IN_PROGRESS'],
    }),
    unplug: message({
      parameters: { self: PBD_PARAMETER },
      result: 'void',
      role: 'pool-operator',
      doc: 'Detaches the SR. Of one that is not attached nothing happens, but that it is not tried any more',
      errors: ['VDI_IN_USE', 'OTHER_OPERATION_IN_PROGRESS'],
    }),
    set_device_config: message({
      parameters: { self: PBD_PARAMETER, value: parameter(STRING_MAP, 'What it should be') },
      result: 'void',
      role: 'pool-operator',
      doc: 'Refused: a PBD is destroyed, and another one made',
      errors: ['PERMISSION_DENIED'],
    }),
  },
});
