import { Fault } from '../../../errors/index.ts';
import type { ReplicationRecord } from '../../catalog/replication/records.ts';
import {
  MAX_REPLICATION_INTERVAL_MS,
  MIN_REPLICATION_INTERVAL_MS,
  MIN_REPLICATION_RATE,
} from '../../limits.ts';
import type { UpdateReplicationInput } from '../../schemas/replication.ts';
import { parseByteSize } from '../../values/byte-size.ts';
import { parseDuration } from '../../values/duration.ts';

type Settings = Pick<
  ReplicationRecord,
  | 'description'
  | 'intervalMs'
  | 'rpoMs'
  | 'bytesPerSecond'
  | 'compare'
  | 'verification'
  | 'keepSource'
  | 'keepTarget'
>;

/** What is given, and nothing else. @throws Fault INVALID_INPUT */
export function settingsOf(input: Omit<UpdateReplicationInput, 'name'>): Partial<Settings> {
  const { description, interval, rpo, throttle, compare, verification } = input;
  const { keepSource, keepTarget } = input;
  return {
    ...(description === undefined ? {} : { description }),
    ...(interval === undefined ? {} : { intervalMs: durationOf(interval, 'interval') }),
    ...(rpo === undefined ? {} : { rpoMs: durationOf(rpo, 'rpo') }),
    ...(throttle === undefined ? {} : { bytesPerSecond: rateOf(throttle) }),
    ...(compare === undefined ? {} : { compare }),
    ...(verification === undefined ? {} : { verification }),
    ...(keepSource === undefined ? {} : { keepSource }),
    ...(keepTarget === undefined ? {} : { keepTarget }),
  };
}

function durationOf(text: string | null, field: string): number | undefined {
  if (text === null) return undefined;
  const bounds = { least: MIN_REPLICATION_INTERVAL_MS, most: MAX_REPLICATION_INTERVAL_MS };
  return parseDuration(text, field, bounds);
}

function rateOf(given: string | number | null): number | undefined {
  if (given === null) return undefined;
  const rate = parseByteSize(given, 'throttle');
  if (rate >= MIN_REPLICATION_RATE) return rate;
  throw new Fault('INVALID_INPUT', 'the throttle is too low', {
    field: 'throttle',
    value: given,
    expected: `at least ${MIN_REPLICATION_RATE} bytes a second; to send nothing, pause it`,
  });
}
