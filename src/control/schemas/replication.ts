/** Replications: what is asked of them and what is told. */
import Type, { type Static } from 'typebox';
import { REPLICATION_STATES } from '../../repositories/index.ts';
import {
  FAILOVERS,
  POINT_STATES,
  REPLICATION_MODES,
  VERIFICATIONS,
} from '../catalog/replication/records.ts';
import { MAX_POINTS_KEPT, MAX_REPLICATION_MEMBERS, MAX_SIZE_TEXT_LENGTH } from '../limits.ts';
import { SIZE_RULE } from '../values/byte-size.ts';
import { VOLUME_ADDRESS_RULE } from '../values/storage-address.ts';
import { BytesField, DescriptionField, NameField, nullable, TimeField, words } from './fields.ts';

const ADDRESS_LENGTH = 200;

const DurationField = Type.String({
  maxLength: 16,
  description: 'a whole number with s, m, h, d or w: 30s, 15m, 1h, 1d',
});

const RateField = Type.Union(
  [Type.Integer({ minimum: 1 }), Type.String({ maxLength: MAX_SIZE_TEXT_LENGTH })],
  { description: `a second: ${SIZE_RULE}` },
);

const KeptField = Type.Integer({
  minimum: 1,
  maximum: MAX_POINTS_KEPT,
  description: 'complete points that stay; the last one that both sides have always does',
});

const SETTINGS = {
  description: Type.Optional(DescriptionField),
  interval: Type.Optional(nullable(DurationField)),
  rpo: Type.Optional(nullable(DurationField)),
  throttle: Type.Optional(nullable(RateField)),
  compare: Type.Optional(
    Type.Boolean({ description: 'look into the replica before anything is written' }),
  ),
  verification: Type.Optional(words(VERIFICATIONS)),
  keepSource: Type.Optional(KeptField),
  keepTarget: Type.Optional(KeptField),
};

export const CreateReplicationInput = Type.Object(
  {
    name: NameField,
    volumes: Type.Optional(
      Type.Array(Type.String({ minLength: 3, maxLength: ADDRESS_LENGTH }), {
        minItems: 1,
        maxItems: MAX_REPLICATION_MEMBERS,
        uniqueItems: true,
        description: `${VOLUME_ADDRESS_RULE}; several of one repository: points of one moment`,
      }),
    ),
    group: Type.Optional(NameField),
    target: NameField,
    prefix: Type.Optional(
      Type.String({
        maxLength: 32,
        pattern: '^[a-z0-9]?[a-z0-9._-]*$',
        description: "before the names of the replica's volumes",
      }),
    ),
    mode: Type.Optional(words(REPLICATION_MODES)),
    ...SETTINGS,
  },
  { additionalProperties: false },
);
export type CreateReplicationInput = Static<typeof CreateReplicationInput>;

export const UpdateReplicationInput = Type.Object(
  { name: Type.Optional(NameField), ...SETTINGS },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateReplicationInput = Static<typeof UpdateReplicationInput>;

export const FailoverInput = Type.Object(
  {
    force: Type.Optional(
      Type.Boolean({
        description: 'true: without the source, at the newest complete point',
      }),
    ),
  },
  { additionalProperties: false },
);
export type FailoverInput = Static<typeof FailoverInput>;

export const TestFailoverInput = Type.Object(
  {
    prefix: Type.String({
      minLength: 1,
      maxLength: 32,
      pattern: '^[a-z0-9][a-z0-9._-]*$',
      description: 'before the names of the clones',
    }),
    kind: Type.Optional(words(['linked', 'full'])),
    point: Type.Optional(Type.Integer({ minimum: 1, description: 'the newest unless given' })),
  },
  { additionalProperties: false },
);
export type TestFailoverInput = Static<typeof TestFailoverInput>;

export const ResyncInput = Type.Object(
  {
    discard: Type.String({
      minLength: 1,
      maxLength: ADDRESS_LENGTH,
      description: 'the repository whose changes are thrown away: one of the two',
    }),
  },
  { additionalProperties: false },
);
export type ResyncInput = Static<typeof ResyncInput>;

export const VerifyReplicationInput = Type.Object(
  {
    point: Type.Optional(Type.Integer({ minimum: 1, description: 'the newest unless given' })),
    source: Type.Optional(Type.Boolean({ description: 'read the source too' })),
  },
  { additionalProperties: false },
);
export type VerifyReplicationInput = Static<typeof VerifyReplicationInput>;

export const DeleteReplicationQuery = Type.Object(
  {
    force: Type.Optional(
      Type.Boolean({ description: 'also when the replica cannot be brought to its last point' }),
    ),
  },
  { additionalProperties: false },
);
export type DeleteReplicationQuery = Static<typeof DeleteReplicationQuery>;

const FiguresView = Type.Object({
  read: BytesField,
  written: BytesField,
  zeroed: BytesField,
  skipped: BytesField,
  verified: BytesField,
});

export const ReplicationPointView = Type.Object({
  number: Type.Integer(),
  state: words(POINT_STATES),
  damaged: Type.Boolean({ description: 'its replica was read, and is not what was sent' }),
  takenAt: TimeField,
  completedAt: nullable(TimeField),
  onSource: Type.Boolean({ description: 'the source still has it' }),
  onTarget: Type.Boolean({ description: 'the replica has it' }),
  volumes: Type.Array(
    Type.Object({
      volume: Type.String({ description: 'of the replica: REPOSITORY/VOLUME' }),
      snapshot: nullable(Type.String({ description: 'of the replica: its name' })),
      size: BytesField,
      contentId: nullable(
        Type.String({ description: 'hex: the same for the same content, wherever it is' }),
      ),
      position: nullable(
        Type.Integer({ minimum: 0, description: 'bytes of it that are certain, while it is sent' }),
      ),
      figures: nullable(FiguresView),
    }),
  ),
});
export type ReplicationPointView = Static<typeof ReplicationPointView>;

export const ReplicationView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  mode: words(REPLICATION_MODES),
  state: words(REPLICATION_STATES),
  reason: nullable(Type.String({ description: 'why it is in that state' })),
  source: Type.String({ description: 'the repository that is written' }),
  target: Type.String({ description: 'the repository of the replica' }),
  reversed: Type.Boolean({ description: 'it goes the other way than when it was made' }),
  failover: words(FAILOVERS),
  paused: Type.Boolean(),
  volumes: Type.Array(
    Type.Object({
      source: Type.String({ description: 'REPOSITORY/VOLUME' }),
      target: Type.String({ description: 'REPOSITORY/VOLUME' }),
    }),
  ),
  interval: nullable(Type.String()),
  rpo: nullable(Type.String()),
  rpoMissed: Type.Boolean(),
  ageSeconds: nullable(
    Type.Integer({ description: 'how old what the replica has is; null: it has nothing' }),
  ),
  throttle: nullable(Type.Integer({ description: 'bytes a second' })),
  compare: Type.Boolean(),
  verification: words(VERIFICATIONS),
  keepSource: Type.Integer(),
  keepTarget: Type.Integer(),
  running: Type.Boolean(),
  taskId: nullable(Type.String({ description: 'what is sending a point' })),
  nextAt: nullable(TimeField),
  lastCommon: nullable(Type.Integer({ description: 'the newest point that both sides have' })),
  points: Type.Array(ReplicationPointView),
  tests: Type.Array(Type.String({ description: 'REPOSITORY/VOLUME of a test failover' })),
  createdAt: TimeField,
});
export type ReplicationView = Static<typeof ReplicationView>;
