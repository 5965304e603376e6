import { NULL_REF } from '../objects/refs.ts';
import { describeClass, field, ref } from './description.ts';

export const PVS_CACHE_STORAGE = describeClass({
  name: 'PVS_cache_storage',
  doc: 'Where machines have their write caches: the vDisks of the server say it',
  role: 'pool-operator',
  create: 'pool-operator',
  destroy: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    host: field(ref('host'), 'static', 'Whose it is', { byDefault: NULL_REF }),
    SR: field(ref('SR'), 'static', 'Where; null: in the server’s own folder', {
      byDefault: NULL_REF,
    }),
    site: field(ref('PVS_site'), 'static', 'Whom it serves', { byDefault: NULL_REF }),
    size: field('int', 'static', 'Bytes of the storage; 0: not known', { byDefault: 0 }),
    VDI: field(ref('VDI'), 'dynamic', 'None: each machine has one of its own'),
  },
  messages: {},
});
