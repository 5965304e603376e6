/** An array in memory, for trials. */
import { simpleType } from './storage-type.ts';

export const SIMULATED_TYPES = [
  simpleType({
    name: 'simulated',
    label: 'Simulated array',
    description: 'An array in memory, for trials: it is empty after a restart.',
    ...{ kind: 'simulated', shared: false, rules: {}, keys: new Map(), features: [], failures: {} },
    needs: [{ oneOf: ['target'], number: 95 }],
  }),
];
