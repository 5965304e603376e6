/** Versions: what is asked of them and what is told. */
import Type, { type Static } from 'typebox';
import { INITRAMFS_KINDS, VERSION_STATES } from '../catalog/records.ts';
import { MERGE_MODES } from '../ports.ts';
import { VERSION_ACTIONS, type VersionAction } from '../versions/version-actions.ts';
import {
  BytesField,
  DescriptionField,
  KernelArgumentsField,
  nullable,
  TimeField,
  words,
} from './fields.ts';

export const VersionNumberField = Type.Integer({
  minimum: 1,
  description: 'the number of a version',
});

export const BeginVersionInput = Type.Object(
  {
    from: Type.Optional(VersionNumberField),
    description: Type.Optional(DescriptionField),
    private: Type.Optional(
      Type.Boolean({ description: 'true: one machine writes the vDisk, and no other boots it' }),
    ),
  },
  { additionalProperties: false },
);
export type BeginVersionInput = Static<typeof BeginVersionInput>;

export const UpdateVersionInput = Type.Object(
  {
    description: Type.Optional(DescriptionField),
    kernelArguments: Type.Optional(KernelArgumentsField),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateVersionInput = Static<typeof UpdateVersionInput>;

export const PromoteVersionInput = Type.Object(
  {
    releaseAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description:
          'when production machines begin to boot it, a time to come as 2027-01-31T06:00:00Z',
      }),
    ),
  },
  { additionalProperties: false },
);
export type PromoteVersionInput = Static<typeof PromoteVersionInput>;

export const RevertVdiskInput = Type.Object(
  { to: Type.Optional(VersionNumberField) },
  { additionalProperties: false },
);
export type RevertVdiskInput = Static<typeof RevertVdiskInput>;

export const MergeVersionInput = Type.Object(
  { mode: words(MERGE_MODES) },
  { additionalProperties: false },
);
export type MergeVersionInput = Static<typeof MergeVersionInput>;

export const CaptureMachineInput = Type.Object(
  {
    description: Type.Optional(DescriptionField),
  },
  { additionalProperties: false },
);
export type CaptureMachineInput = Static<typeof CaptureMachineInput>;

const ActionView = Type.Object({
  possible: Type.Boolean(),
  reason: nullable(Type.String({ description: 'why it is not possible' })),
});

const ActionsView = Type.Object(
  Object.fromEntries(VERSION_ACTIONS.map((action) => [action, ActionView])) as Record<
    VersionAction,
    typeof ActionView
  >,
);

export const VersionView = Type.Object({
  number: Type.Integer(),
  state: words(VERSION_STATES),
  released: Type.Boolean({ description: 'in production, and its date has come' }),
  releaseAt: nullable(TimeField),
  private: Type.Boolean({ description: 'in maintenance, and nothing else of its vDisk boots' }),
  description: Type.String(),
  parent: nullable(Type.Integer({ description: 'number of the version it was made from' })),
  layerId: nullable(Type.String({ description: 'null while it is in maintenance' })),
  contentId: nullable(
    Type.String({ description: 'SHA-256 of the manifest of the disk, hex: the same anywhere' }),
  ),
  size: BytesField,
  dataBytes: BytesField,
  ownBytes: Type.Integer({ minimum: 0, description: 'bytes that its own layer holds' }),
  depth: Type.Integer({ description: 'layers that it is made of' }),
  format: Type.String({ description: 'what it came from' }),
  kernel: nullable(Type.String()),
  initrd: nullable(Type.String()),
  initramfs: words(INITRAMFS_KINDS),
  rootPartition: Type.String(),
  rootFilesystem: nullable(Type.String()),
  kernelArguments: Type.String(),
  createdAt: TimeField,
  sealedAt: nullable(TimeField),
  verifiedAt: nullable(TimeField),
  damagedChunks: Type.Integer({
    description: 'chunks that the last verification found damaged in the layers that it is made of',
  }),
  inUse: Type.Boolean({ description: 'something reads it or stands on it' }),
  writer: nullable(Type.String({ description: 'the machine that writes it' })),
  actions: ActionsView,
});
export type VersionView = Static<typeof VersionView>;

export const OverlayChangesView = Type.Object({
  machine: Type.String(),
  vdisk: Type.String(),
  version: nullable(Type.Integer({ description: 'the version that its write cache stands on' })),
  ownedBytes: BytesField,
  zeroedBytes: BytesField,
  changedChunks: Type.Integer({ description: 'chunks of 64 KiB' }),
  chunks: Type.Integer({ description: 'chunks of the whole disk' }),
  percent: Type.Number(),
  partitions: Type.Array(
    Type.Object({
      name: Type.String(),
      start: BytesField,
      size: BytesField,
      changedBytes: BytesField,
    }),
  ),
});
export type OverlayChangesView = Static<typeof OverlayChangesView>;
