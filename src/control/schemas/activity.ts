/** What has happened and what is happening: tasks, events, leases, the service's status. */
import Type, { type Static } from 'typebox';
import { SERVICE_ACTOR } from '../actor.ts';
import { TASK_STATES } from '../catalog/records.ts';
import { MAX_EVENTS_PER_PAGE } from '../limits.ts';
import { BytesField, nullable, TimeField, words } from './fields.ts';

const ActorField = Type.String({
  description: `who did it: '${SERVICE_ACTOR}' for what happened by itself`,
});

export const TaskView = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  subject: Type.String(),
  actor: ActorField,
  state: words(TASK_STATES),
  percent: Type.Integer({ minimum: 0, maximum: 100 }),
  message: Type.String(),
  result: Type.Unknown({ description: 'what came of it; null unless it succeeded' }),
  error: nullable(
    Type.Object({
      code: Type.String(),
      message: Type.String(),
      field: Type.Optional(Type.String()),
      value: Type.Optional(Type.Unknown()),
      expected: Type.Optional(Type.String()),
    }),
  ),
  createdAt: TimeField,
  endedAt: nullable(TimeField),
});
export type TaskView = Static<typeof TaskView>;

/** anyone: everything that happened; people: the audit, only what somebody asked for. */
const EVENT_ACTORS = ['anyone', 'people'] as const;

export const ListEventsInput = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_EVENTS_PER_PAGE,
        description: `1 to ${MAX_EVENTS_PER_PAGE}`,
      }),
    ),
    before: Type.Optional(
      Type.Integer({ minimum: 1, description: 'id of an event: only older ones' }),
    ),
    subject: Type.Optional(
      Type.String({ maxLength: 200, description: 'such as machine/NAME or vdisk/NAME' }),
    ),
    actor: Type.Optional(words(EVENT_ACTORS)),
  },
  { additionalProperties: false },
);
export type ListEventsInput = Static<typeof ListEventsInput>;

export const EventView = Type.Object({
  id: Type.Integer(),
  at: TimeField,
  actor: ActorField,
  kind: Type.String(),
  subject: Type.String(),
  message: Type.String(),
  data: Type.Record(Type.String(), Type.Unknown()),
});
export type EventView = Static<typeof EventView>;

export const LeaseView = Type.Object({
  ip: Type.String(),
  mac: Type.String(),
  machine: nullable(Type.String()),
  state: Type.String(),
  expiresAt: TimeField,
});
export type LeaseView = Static<typeof LeaseView>;

export const StatusView = Type.Object({
  server: Type.String(),
  version: Type.String(),
  startedAt: TimeField,
  uptimeMs: Type.Integer(),
  vdisks: Type.Integer(),
  machines: Type.Object({
    total: Type.Integer(),
    off: Type.Integer(),
    booting: Type.Integer(),
    running: Type.Integer(),
  }),
  enrolmentsWaiting: Type.Integer(),
  tasksRunning: Type.Integer(),
  workers: Type.Integer(),
  connections: Type.Integer(),
  readCache: Type.Object({
    bytes: BytesField,
    bytesMax: BytesField,
    hits: Type.Integer(),
    misses: Type.Integer(),
  }),
  space: Type.Object({ totalBytes: BytesField, freeBytes: BytesField }),
});
export type StatusView = Static<typeof StatusView>;
