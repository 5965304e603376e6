import { describeClass, field, message, parameter, ref, set } from './description.ts';

export const PVS_SITE = describeClass({
  name: 'PVS_site',
  doc: 'What serves vDisks to machines: this service. There is one, and it is always there',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    name_label: field('string', 'rw', 'For people', { byDefault: '' }),
    name_description: field('string', 'rw', 'For people', { byDefault: '' }),
    PVS_uuid: field('string', 'dynamic', 'The same as its uuid', { byDefault: '' }),
    cache_storage: field(set(ref('PVS_cache_storage')), 'dynamic', 'Where write caches lie', {
      reverse: { of: 'PVS_cache_storage', field: 'site' },
    }),
    servers: field(set(ref('PVS_server')), 'dynamic', 'Its servers', {
      reverse: { of: 'PVS_server', field: 'site' },
    }),
    proxies: field(set(ref('PVS_proxy')), 'dynamic', 'Machines that boot from its vDisks', {
      reverse: { of: 'PVS_proxy', field: 'site' },
    }),
  },
  messages: {
    introduce: message({
      doc: 'Refused: there is one site',
      role: 'pool-operator',
      parameters: {
        name_label: parameter('string', 'for people'),
        name_description: parameter('string', 'for people'),
        PVS_uuid: parameter('string', 'its own'),
      },
      result: ref('PVS_site'),
      errors: ['OPERATION_NOT_ALLOWED'],
    }),
    forget: message({
      doc: 'Refused: it has a server, and machines perhaps',
      role: 'pool-operator',
      parameters: { self: parameter(ref('PVS_site'), 'the site') },
      result: 'void',
      errors: ['PVS_SITE_CONTAINS_RUNNING_PROXIES', 'PVS_SITE_CONTAINS_SERVERS'],
    }),
    set_PVS_uuid: message({
      doc: 'Refused: it is the site’s own',
      role: 'pool-operator',
      parameters: {
        self: parameter(ref('PVS_site'), 'the site'),
        value: parameter('string', 'another one'),
      },
      result: 'void',
      errors: ['PVS_SITE_CONTAINS_RUNNING_PROXIES', 'OPERATION_NOT_ALLOWED'],
    }),
  },
});
