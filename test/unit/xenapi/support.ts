/** A small datamodel: shelves, and books that stand on them. */
import { implement } from '../../../src/xenapi/call.ts';
import {
  describeClass,
  field,
  message,
  oneOf,
  parameter,
  ref,
  STRING_MAP,
  set,
} from '../../../src/xenapi/datamodel/description.ts';

export const SHELF = describeClass({
  name: 'Shelf',
  doc: 'Holds books',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Identifies it'),
    name_label: field('string', 'static', 'For people', { byDefault: '' }),
    books: field(set(ref('Book')), 'dynamic', 'What stands on it', {
      reverse: { of: 'Book', field: 'shelf' },
    }),
    tags: field(set('string'), 'rw', 'For people', { byDefault: [], role: 'vm-operator' }),
    other_config: field(STRING_MAP, 'rw', 'For clients', { byDefault: new Map() }),
  },
  messages: {},
});

export const BOOK = describeClass({
  name: 'Book',
  doc: 'Stands on a shelf',
  role: 'vm-admin',
  create: 'vm-admin',
  destroy: 'vm-admin',
  fields: {
    uuid: field('string', 'dynamic', 'Identifies it'),
    shelf: field(ref('Shelf'), 'static', 'Where it stands'),
    pages: field('int', 'static', 'How many it has'),
    cover: field(oneOf('cover', ['hard', 'soft']), 'static', 'Kind', { byDefault: 'soft' }),
  },
  messages: {
    move: message({
      parameters: {
        self: parameter(ref('Book'), 'The book'),
        shelf: parameter(ref('Shelf'), 'Its new place'),
        quietly: parameter('bool', 'Without a word', { byDefault: false }),
      },
      result: 'string',
      role: 'vm-admin',
      doc: 'Puts it elsewhere',
    }),
    count: message({
      parameters: {},
      result: 'int',
      role: 'read-only',
      doc: 'How many there are',
      async: false,
    }),
    hello: message({
      parameters: { name: parameter('string', 'Of whom') },
      result: 'string',
      role: 'read-only',
      doc: 'Greets',
      session: false,
    }),
  },
});

export { implement };
