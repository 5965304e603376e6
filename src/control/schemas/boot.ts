/** Machines that boot, that wait to, and what their boots read. */
import Type, { type Static } from 'typebox';
import { BOOT_ENDS, BOOT_STAGES } from '../catalog/records.ts';
import { MAX_BOOT_PRIORITY, MAX_BOOTS_AT_ONCE, MAX_TRACE_TEXT } from '../limits.ts';
import { BytesField, NameField, nullable, TimeField, words } from './fields.ts';

const most = Type.Integer({
  minimum: 0,
  maximum: MAX_BOOTS_AT_ONCE,
  description: `machines of it that boot at once, 0 to ${MAX_BOOTS_AT_ONCE}; null to say nothing`,
});
const priority = Type.Integer({
  minimum: -MAX_BOOT_PRIORITY,
  maximum: MAX_BOOT_PRIORITY,
  description: `a higher one boots first, ${-MAX_BOOT_PRIORITY} to ${MAX_BOOT_PRIORITY}, 0 unless said; null to say nothing`,
});

/** About one machine, one collection or one vDisk. */
export const SetBootRuleInput = Type.Object(
  {
    machine: Type.Optional(NameField),
    collection: Type.Optional(NameField),
    vdisk: Type.Optional(NameField),
    most: Type.Optional(nullable(most)),
    priority: Type.Optional(nullable(priority)),
  },
  { additionalProperties: false },
);
export type SetBootRuleInput = Static<typeof SetBootRuleInput>;

export const BootRuleView = Type.Object({
  machine: nullable(Type.String()),
  collection: nullable(Type.String()),
  vdisk: nullable(Type.String()),
  most: nullable(Type.Integer()),
  priority: nullable(Type.Integer()),
});
export type BootRuleView = Static<typeof BootRuleView>;

export const BootsView = Type.Object({
  most: nullable(Type.Integer({ description: 'machines that boot at once; null: any number' })),
  perSecond: nullable(Type.Integer({ description: 'that begin to in a second; null: any' })),
  slotsTaken: Type.Integer({ description: 'boots that count against the limits now' }),
  booting: Type.Array(
    Type.Object({
      machine: Type.String(),
      vdisk: Type.String(),
      version: Type.Integer(),
      startedAt: TimeField,
      stage: nullable(words(BOOT_STAGES)),
    }),
  ),
  waiting: Type.Integer(),
  queue: Type.Array(
    Type.Object({
      place: Type.Integer(),
      machine: Type.String(),
      askedAt: TimeField,
      lastAskedAt: TimeField,
      priority: Type.Integer(),
    }),
    { description: 'who boots next, the first 1,000' },
  ),
  rules: Type.Array(BootRuleView),
  reads: Type.Object(
    {
      sharedBytesMax: BytesField,
      sharedHitBytes: BytesField,
      aheadRequests: Type.Integer(),
      aheadBytes: BytesField,
      aheadHitBytes: BytesField,
      aheadWastedBytes: BytesField,
      restingContents: Type.Integer(),
    },
    { description: 'what workers share, and what was read ahead, since the start' },
  ),
});
export type BootsView = Static<typeof BootsView>;

export const BootTimelineView = Type.Object({
  vdisk: Type.String(),
  version: Type.Integer(),
  startedAt: TimeField,
  ended: nullable(words(BOOT_ENDS)),
  endedAt: nullable(TimeField),
  durationMs: nullable(Type.Integer()),
  steps: Type.Array(
    Type.Object({
      stage: words(BOOT_STAGES),
      at: TimeField,
      afterMs: Type.Integer({ description: 'milliseconds after the first step' }),
      tookMs: Type.Integer({ description: 'milliseconds after the step before' }),
    }),
  ),
});
export type BootTimelineView = Static<typeof BootTimelineView>;

export const TraceView = Type.Object({
  vdisk: Type.String(),
  version: Type.Integer(),
  contentId: Type.String(),
  boots: Type.Array(
    Type.Object({ recordedAt: TimeField, machine: Type.String(), units: Type.Integer() }),
    { description: 'boots of this version that were recorded, oldest first' },
  ),
  recordsMore: Type.Boolean({ description: 'whether further boots are recorded' }),
  unitBytes: BytesField,
  units: Type.Integer({ description: 'units that are read ahead' }),
  bytes: BytesField,
  of: nullable(
    Type.Integer({ description: 'the version whose boots these are: this one, or one before it' }),
  ),
});
export type TraceView = Static<typeof TraceView>;

export const TraceFileView = Type.Object({
  file: Type.String({ maxLength: MAX_TRACE_TEXT, description: 'a boot trace, in base64' }),
});
export type TraceFileView = Static<typeof TraceFileView>;

export const ImportTraceInput = Type.Object(
  {
    file: Type.String({
      minLength: 1,
      maxLength: MAX_TRACE_TEXT,
      pattern: '^[A-Za-z0-9+/]*={0,2}$',
      description: `a boot trace in base64, at most ${MAX_TRACE_TEXT} characters`,
    }),
  },
  { additionalProperties: false },
);
export type ImportTraceInput = Static<typeof ImportTraceInput>;
