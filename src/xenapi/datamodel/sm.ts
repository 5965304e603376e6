import { describeClass, field, map, STRING_MAP, set } from './description.ts';

export const SM = describeClass({
  name: 'SM',
  doc: 'A driver of storage: what it needs, and what its SRs can',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Identifies it'),
    name_label: field('string', 'dynamic', 'For people', { byDefault: '' }),
    name_description: field('string', 'dynamic', 'For people', { byDefault: '' }),
    type: field('string', 'dynamic', 'The type of its SRs'),
    vendor: field('string', 'dynamic', 'Who has made it'),
    copyright: field('string', 'dynamic', 'Whose it is'),
    version: field('string', 'dynamic', 'Of this server'),
    required_api_version: field('string', 'dynamic', 'Of the interface between server and driver'),
    configuration: field(STRING_MAP, 'dynamic', 'Keys of device_config, and what they mean'),
    capabilities: field(set('string'), 'dynamic', 'Names of features', {
      byDefault: [],
      deprecated: true,
    }),
    features: field(map('string', 'int'), 'dynamic', 'What its SRs can, and in which version', {
      byDefault: new Map(),
    }),
    other_config: field(STRING_MAP, 'rw', 'For clients', { byDefault: new Map() }),
    driver_filename: field('string', 'dynamic', 'None: it is a part of this server', {
      byDefault: '',
    }),
    required_cluster_stack: field(set('string'), 'dynamic', 'None', { byDefault: [] }),
  },
  messages: {},
});
