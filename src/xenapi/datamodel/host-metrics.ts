import { describeClass, field, STRING_MAP } from './description.ts';

export const HOST_METRICS = describeClass({
  name: 'host_metrics',
  doc: 'Figures of the host, taken about once a minute',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    memory_total: field('int', 'dynamic', 'Memory of the host, in bytes'),
    memory_free: field('int', 'dynamic', 'What of it is free, in bytes', { byDefault: 0 }),
    live: field('bool', 'dynamic', 'Whether it answers: as long as you can ask'),
    last_updated: field('datetime', 'dynamic', 'When these figures were taken'),
    other_config: field(STRING_MAP, 'rw', 'What clients keep with it', { byDefault: new Map() }),
  },
  messages: {},
});
