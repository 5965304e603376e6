import { describeClass, field, message, parameter, ref, set } from './description.ts';

export const PVS_SERVER = describeClass({
  name: 'PVS_server',
  doc: 'A server of blocks: this one',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    addresses: field(set('string'), 'dynamic', 'Where machines reach it', { byDefault: [] }),
    first_port: field('int', 'dynamic', 'Its NBD port (TCP)', { byDefault: 0 }),
    last_port: field('int', 'dynamic', 'The same: it has one', { byDefault: 0 }),
    site: field(ref('PVS_site'), 'dynamic', 'What it serves'),
  },
  messages: {
    introduce: message({
      doc: 'Refused: this server is known, and there is no other',
      role: 'pool-operator',
      parameters: {
        addresses: parameter(set('string'), 'where it is reached'),
        first_port: parameter('int', 'its first port'),
        last_port: parameter('int', 'its last port'),
        site: parameter(ref('PVS_site'), 'what it serves'),
      },
      result: ref('PVS_server'),
      errors: ['PVS_SERVER_ADDRESS_IN_USE', 'OPERATION_NOT_ALLOWED'],
    }),
    forget: message({
      doc: 'Refused: it is the one that answers',
      role: 'pool-operator',
      parameters: { self: parameter(ref('PVS_server'), 'the server') },
      result: 'void',
      errors: ['OPERATION_NOT_ALLOWED'],
    }),
  },
});
