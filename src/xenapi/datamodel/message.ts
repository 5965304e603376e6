import {
  describeClass,
  field,
  map,
  message,
  oneOf,
  parameter,
  record,
  ref,
  set,
} from './description.ts';

/** What a message can be about. */
export const MESSAGE_CLASS = oneOf('cls', [
  'VM',
  'Host',
  'SR',
  'Pool',
  'VMPP',
  'VMSS',
  'PVS_proxy',
  'VDI',
  'Certificate',
]);

const SINCE = parameter('datetime', 'not those that are older');

const MEMBERS = {
  uuid: 'string',
  name: 'string',
  priority: 'int',
  cls: MESSAGE_CLASS,
  obj_uuid: 'string',
  timestamp: 'datetime',
  body: 'string',
} as const;

const RECORDS = map(ref('message'), record('message', MEMBERS));

export const MESSAGE = describeClass({
  name: 'message',
  doc: 'What an operator should know: what went wrong, and that it is well again',
  role: 'pool-operator',
  destroy: 'pool-operator',
  fields: {
    uuid: field(MEMBERS.uuid, 'dynamic', 'Its own'),
    name: field(MEMBERS.name, 'dynamic', 'Of what kind it is'),
    priority: field(
      MEMBERS.priority,
      'dynamic',
      '1 data may be lost, 2 a service fails, 3 a service suffers, 4 something is well again, 5 to be known',
    ),
    cls: field(MEMBERS.cls, 'dynamic', 'What it is about: the class'),
    obj_uuid: field(MEMBERS.obj_uuid, 'dynamic', 'What it is about'),
    timestamp: field(MEMBERS.timestamp, 'dynamic', 'When it was written'),
    body: field(MEMBERS.body, 'dynamic', 'For people'),
  },
  messages: {
    create: message({
      doc: 'Writes one',
      role: 'pool-operator',
      parameters: {
        name: parameter('string', 'of what kind it is'),
        priority: parameter('int', 'see the field'),
        cls: parameter(MESSAGE_CLASS, 'what it is about: the class'),
        obj_uuid: parameter('string', 'what it is about'),
        body: parameter('string', 'for people'),
      },
      result: ref('message'),
      errors: ['UUID_INVALID'],
    }),
    destroy_many: message({
      doc: 'Destroys those; the ones that are not there are no mistake',
      role: 'pool-operator',
      parameters: { messages: parameter(set(ref('message')), 'which') },
      result: 'void',
    }),
    get: message({
      doc: 'Those about an object',
      role: 'read-only',
      parameters: {
        cls: parameter(MESSAGE_CLASS, 'the class of the object'),
        obj_uuid: parameter('string', 'the object'),
        since: SINCE,
      },
      result: RECORDS,
      async: false,
    }),
    get_since: message({
      doc: 'Those that are not older',
      role: 'read-only',
      parameters: { since: SINCE },
      result: RECORDS,
      async: false,
    }),
  },
});
