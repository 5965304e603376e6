import { describeClass, field, message, parameter, ref, STRING_MAP } from './description.ts';

export const SECRET = describeClass({
  name: 'secret',
  doc: 'A password. PBDs name theirs in device_config instead of it',
  role: 'pool-operator',
  readRole: 'pool-operator',
  create: 'pool-operator',
  destroy: 'pool-operator',
  events: false,
  fields: {
    uuid: field('string', 'dynamic', 'Identifies it'),
    value: field('string', 'rw', 'The password'),
    other_config: field(STRING_MAP, 'rw', 'For clients', { byDefault: new Map() }),
  },
  messages: {
    introduce: message({
      parameters: {
        uuid: parameter('string', 'The one that it shall have'),
        value: parameter('string', 'The password'),
        other_config: parameter(STRING_MAP, 'For clients', { byDefault: new Map() }),
      },
      result: ref('secret'),
      role: 'pool-operator',
      doc: 'Makes one with a given uuid',
      errors: ['INVALID_VALUE'],
      hidden: true,
    }),
  },
});
