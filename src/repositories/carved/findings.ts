/** What is wrong with the metadata of a device, or worth a look. */
import type { Contradiction } from './metadata-state.ts';

/**
 * `note`: what a crash leaves behind; put right when the device is attached. `repairable`: put right by a check with
 * repair, nothing is lost. `fatal`: data may be lost or shown wrongly; nothing is changed.
 */
export type FindingSeverity = 'note' | 'repairable' | 'fatal';

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

export interface Finding {
  readonly code: FindingCode;
  readonly severity: FindingSeverity;
  /** A sentence for people. */
  readonly message: string;
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
