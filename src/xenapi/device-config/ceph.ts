/** Images of a Ceph pool. XenServer has no driver of it: keys are the adapter's settings. */
import { simpleType } from './storage-type.ts';

export const CEPH_TYPES = [
  simpleType({
    name: 'ceph',
    label: 'Ceph',
    description: 'RBD images of a Ceph pool. One SR for each pool or namespace.',
    ...{ kind: 'ceph', shared: true, rules: {}, keys: new Map(), features: [], failures: {} },
    needs: [
      { oneOf: ['monHosts', 'conf'], number: 102 },
      { oneOf: ['pool'], number: 90 },
    ],
  }),
];
