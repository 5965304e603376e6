/** What is wrong with the metadata of a device, or worth a look. */
import type { CheckFinding, FindingSeverity } from '../check-report.ts';
import type { Contradiction } from './metadata-state.ts';

export type FindingCode =
  | Contradiction['code']
  | 'no-superblock'
  | 'superblock-copy'
  | 'device-shrunk'
  | 'no-checkpoint'
  | 'checkpoint-copy'
  | 'copies-differ'
  | 'journal-copy'
  | 'journal-lost'
  | 'unfinished';

export interface Finding extends CheckFinding {
  readonly code: FindingCode;
}

const SEVERITIES: Readonly<Record<Contradiction['code'], FindingSeverity>> = {
  // Two volumes would see each other's data, and which of them is right cannot be known.
  'double-extent': 'fatal',
  // Nobody can read or write there: leaving them out loses nothing.
  'beyond-device': 'repairable',
  'beyond-volume': 'repairable',
  'unknown-volume': 'fatal',
  twice: 'fatal',
};

export function findingOf(contradiction: Contradiction): Finding {
  return { ...contradiction, severity: SEVERITIES[contradiction.code] };
}
