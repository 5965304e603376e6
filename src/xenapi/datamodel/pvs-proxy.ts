import { describeClass, field, message, oneOf, parameter, ref } from './description.ts';

export const PVS_PROXY = describeClass({
  name: 'PVS_proxy',
  doc: 'A machine that boots from a vDisk',
  role: 'pool-operator',
  destroy: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Of the machine'),
    site: field(ref('PVS_site'), 'dynamic', 'What serves it'),
    VIF: field(ref('VIF'), 'dynamic', 'None: it is no virtual machine of ours'),
    currently_attached: field('bool', 'dynamic', 'Whether it is on', { byDefault: false }),
    status: field(
      oneOf('pvs_proxy_status', [
        'stopped',
        'initialised',
        'caching',
        'incompatible_write_cache_mode',
        'incompatible_protocol_version',
      ]),
      'dynamic',
      'stopped: off; initialised: booting, and has read nothing yet; caching: it reads blocks; incompatible_write_cache_mode: its last boot found no way to have the write cache that it is to have',
      { byDefault: 'stopped' },
    ),
  },
  messages: {
    create: message({
      doc: 'Refused: machines are added with the API or the command line of the server',
      role: 'pool-operator',
      parameters: {
        site: parameter(ref('PVS_site'), 'what serves it'),
        VIF: parameter(ref('VIF'), 'of a virtual machine'),
      },
      result: ref('PVS_proxy'),
      errors: ['OPERATION_NOT_ALLOWED'],
    }),
  },
});
