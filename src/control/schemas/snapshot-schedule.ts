/** Snapshots that are taken by themselves, and how long they stay. */
import Type, { type Static } from 'typebox';
import { MAX_CRON_LENGTH, MAX_KEEP, MAX_PREFIX_LENGTH } from '../limits.ts';
import { CRON_RULE } from '../values/cron.ts';
import { DescriptionField, NameField, nullable, TimeField } from './fields.ts';
import { MembersField } from './host.ts';

const CountField = Type.Integer({
  minimum: 0,
  maximum: MAX_KEEP,
  description: `a number of snapshots, at most ${MAX_KEEP}`,
});

const KEEP_COUNTS = {
  last: Type.Optional(CountField),
  hourly: Type.Optional(CountField),
  daily: Type.Optional(CountField),
  weekly: Type.Optional(CountField),
  monthly: Type.Optional(CountField),
};

const KeepField = Type.Object(KEEP_COUNTS, {
  additionalProperties: false,
  description: 'how many stay: the last, and the newest of each hour, day, week, month; none: all',
});

const EveryField = Type.String({
  maxLength: 16,
  description: 'an interval such as 15m, 1h or 1d; not together with `at`',
});

const AtField = Type.String({
  maxLength: MAX_CRON_LENGTH,
  description: `${CRON_RULE}; not together with \`every\``,
});

const PrefixField = Type.String({
  minLength: 1,
  maxLength: MAX_PREFIX_LENGTH,
  pattern: '^[a-z0-9][a-z0-9._-]*$',
  description: `1 to ${MAX_PREFIX_LENGTH} of a-z, 0-9, '.', '_' and '-', starting with a letter or digit: names of snapshots are PREFIX-TIME`,
});

const EnabledField = Type.Boolean({ description: 'false: it takes none until it is enabled' });

const SETTINGS = {
  description: Type.Optional(DescriptionField),
  volumes: Type.Optional(MembersField),
  group: Type.Optional(NameField),
  every: Type.Optional(EveryField),
  at: Type.Optional(AtField),
  keep: Type.Optional(KeepField),
  prefix: Type.Optional(PrefixField),
  enabled: Type.Optional(EnabledField),
};

export const AddSnapshotScheduleInput = Type.Object(
  { name: NameField, ...SETTINGS },
  { additionalProperties: false },
);
export type AddSnapshotScheduleInput = Static<typeof AddSnapshotScheduleInput>;

export const UpdateSnapshotScheduleInput = Type.Object(
  { name: Type.Optional(NameField), ...SETTINGS },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateSnapshotScheduleInput = Static<typeof UpdateSnapshotScheduleInput>;

export const SnapshotScheduleView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  group: nullable(Type.String()),
  volumes: Type.Array(Type.String(), { description: 'REPOSITORY/VOLUME; of its group, if any' }),
  every: nullable(Type.String()),
  at: nullable(Type.String()),
  keep: Type.Object(KEEP_COUNTS),
  prefix: Type.String(),
  enabled: Type.Boolean(),
  running: Type.Boolean(),
  nextAt: nullable(TimeField),
  lastAt: nullable(TimeField),
  createdAt: TimeField,
});
export type SnapshotScheduleView = Static<typeof SnapshotScheduleView>;
