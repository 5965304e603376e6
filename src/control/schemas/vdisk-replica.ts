import Type, { type Static } from 'typebox';
import { REPOSITORY_STATES } from '../catalog/storage/records.ts';
import { BytesField, TimeField, words } from './fields.ts';

export const ReplicateVdiskInput = Type.Object(
  {
    repository: Type.String({
      description: 'the repository that gets a copy of every layer',
      maxLength: 64,
    }),
  },
  { additionalProperties: false },
);
export type ReplicateVdiskInput = Static<typeof ReplicateVdiskInput>;

/** incomplete: layers are missing, and are copied by themselves; paused: somebody has cancelled that. */
const VDISK_REPLICA_STATES = ['complete', 'copying', 'incomplete', 'paused'] as const;
export type VdiskReplicaState = (typeof VDISK_REPLICA_STATES)[number];

export const VdiskReplicaView = Type.Object({
  repository: Type.String(),
  state: words(VDISK_REPLICA_STATES),
  repositoryState: words(REPOSITORY_STATES),
  layers: Type.Integer({ description: 'of all versions of the vDisk' }),
  layersMissing: Type.Integer(),
  bytesMissing: BytesField,
  serves: Type.Boolean({ description: 'machines that start now read from it' }),
  createdAt: TimeField,
});
export type VdiskReplicaView = Static<typeof VdiskReplicaView>;
