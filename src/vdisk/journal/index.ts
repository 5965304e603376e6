/** The flush journal: many machines that flush share one sync. Read first: flush-journal.ts. */
export { FlushJournal, type FlushJournalOptions, type JournalUser } from './flush-journal.ts';
export type { BlockSpan, JournalRecord } from './journal-format.ts';
export {
  JOURNAL_RECORD_DATA_BYTES,
  JOURNAL_RECORD_RANGES,
  JOURNAL_SEGMENT_LEAST_BYTES,
} from './limits.ts';
export {
  type FoundRecord,
  type JournalDamage,
  readRecords,
  readSegmentHeader,
  readWithoutHeader,
} from './read-segment.ts';
