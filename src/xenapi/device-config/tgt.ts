/** A SCSI target daemon of this server. XenServer has no driver of it: keys are the adapter's settings. */
import { simpleType } from './storage-type.ts';

export const TGT_TYPES = [
  simpleType({
    name: 'tgt',
    label: 'tgtd',
    description: 'LUNs of a Linux SCSI target daemon on this server, one for each volume.',
    ...{ kind: 'tgt', shared: false, rules: {}, keys: new Map(), features: [], failures: {} },
    needs: [{ oneOf: ['folder'], number: 94 }],
  }),
];
