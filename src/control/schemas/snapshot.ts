/** Snapshots of volumes, and what differs between them. */
import Type, { type Static } from 'typebox';
import { CONSISTENCIES } from '../catalog/storage/records.ts';
import { DEFAULT_RANGES_PER_PAGE, MAX_RANGES_PER_PAGE, MAX_VOLUMES_AT_ONCE } from '../limits.ts';
import { BytesField, DescriptionField, NameField, nullable, TimeField, words } from './fields.ts';
import { AfterField, LimitField } from './stored-volume.ts';

export const CreateSnapshotInput = Type.Object(
  {
    volumes: Type.Array(NameField, {
      minItems: 1,
      maxItems: MAX_VOLUMES_AT_ONCE,
      uniqueItems: true,
      description: `1 to ${MAX_VOLUMES_AT_ONCE} names of volumes, each once; several: of one moment`,
    }),
    name: NameField,
    description: Type.Optional(DescriptionField),
  },
  { additionalProperties: false },
);
export type CreateSnapshotInput = Static<typeof CreateSnapshotInput>;

export const GroupSnapshotInput = Type.Object(
  { name: NameField, description: Type.Optional(DescriptionField) },
  { additionalProperties: false },
);
export type GroupSnapshotInput = Static<typeof GroupSnapshotInput>;

export const UpdateSnapshotInput = Type.Object(
  {
    name: Type.Optional(NameField),
    description: Type.Optional(DescriptionField),
    held: Type.Optional(Type.Boolean({ description: 'true: nothing deletes it until released' })),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateSnapshotInput = Static<typeof UpdateSnapshotInput>;

export const ListSnapshotsInput = Type.Object(
  {
    volume: Type.Optional(NameField),
    orphaned: Type.Optional(
      Type.Boolean({ description: 'true: only those whose volume is deleted' }),
    ),
    limit: Type.Optional(LimitField),
    after: Type.Optional(AfterField),
  },
  { additionalProperties: false },
);
export type ListSnapshotsInput = Static<typeof ListSnapshotsInput>;

export const SnapshotView = Type.Object({
  id: Type.String(),
  repository: Type.String(),
  volume: nullable(Type.String({ description: 'null: it is deleted, and the snapshot lives on' })),
  volumeWas: Type.String({ description: 'the name that its volume has or had' }),
  name: Type.String(),
  description: Type.String(),
  parent: nullable(Type.String({ description: 'id of the snapshot that it came after' })),
  groupId: nullable(Type.String({ description: 'the same for all of one moment' })),
  size: BytesField,
  emulated: Type.Boolean({ description: "Rootcast's layers hold it, not the storage" }),
  consistency: words(CONSISTENCIES),
  schedule: nullable(Type.String({ description: 'the schedule that took it' })),
  held: Type.Boolean({ description: 'nothing deletes it' }),
  clones: Type.Array(Type.String(), { description: 'linked clones that stand on it' }),
  export: nullable(Type.String({ description: 'NBD export name, read-only' })),
  createdAt: TimeField,
});
export type SnapshotView = Static<typeof SnapshotView>;

export const DiffInput = Type.Object(
  {
    from: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: 'an earlier snapshot, VOLUME@SNAPSHOT or an id; everything unless given',
      }),
    ),
    offset: Type.Optional(Type.Integer({ minimum: 0, description: 'bytes; 0 unless given' })),
    length: Type.Optional(
      Type.Integer({ minimum: 1, description: 'bytes; to the end unless given' }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_RANGES_PER_PAGE,
        description: `1 to ${MAX_RANGES_PER_PAGE} ranges; ${DEFAULT_RANGES_PER_PAGE} unless given`,
      }),
    ),
  },
  { additionalProperties: false },
);
export type DiffInput = Static<typeof DiffInput>;

export const DiffView = Type.Object({
  from: nullable(Type.String({ description: 'id; null: everything that `to` holds' })),
  to: Type.String({ description: 'id' }),
  size: BytesField,
  ranges: Type.Array(
    Type.Object({
      offset: BytesField,
      length: BytesField,
      kind: words(['data', 'hole']),
    }),
    { description: 'what may differ, in order' },
  ),
  next: nullable(Type.Integer({ description: '`offset` of the next page; null: that was all' })),
});
export type DiffView = Static<typeof DiffView>;
