/** Repositories: what kinds there are, what is asked of one, and what is told of it. */
import Type, { type Static } from 'typebox';
import { CAPABILITY_FLAGS, type CapabilityFlag } from '../../repositories/index.ts';
import { REPOSITORY_STATES, SPACE_LEVELS } from '../catalog/storage/records.ts';
import {
  DEFAULT_CRITICAL_PERCENT,
  DEFAULT_WARNING_PERCENT,
  MAX_SECRET_LENGTH,
  MAX_SETTING_ITEMS,
  MAX_SETTING_LENGTH,
  MAX_SETTINGS,
} from '../limits.ts';
import { BytesField, DescriptionField, NameField, nullable, TimeField, words } from './fields.ts';

export const SECRET_RULE = `1 to ${MAX_SECRET_LENGTH} characters`;

/** `writeOnly`: never in an answer, not even in one that refuses it. */
export const SecretField = Type.String({
  minLength: 1,
  maxLength: MAX_SECRET_LENGTH,
  writeOnly: true,
  description: SECRET_RULE,
});

export const SettingsField = Type.Record(
  Type.String({ minLength: 1, maxLength: 64 }),
  Type.Union(
    [
      Type.String({ maxLength: MAX_SETTING_LENGTH }),
      Type.Number(),
      Type.Boolean(),
      Type.Array(Type.String({ maxLength: MAX_SETTING_LENGTH }), { maxItems: MAX_SETTING_ITEMS }),
    ],
    // Somebody may have put a secret among them.
    { writeOnly: true, description: 'a text, a number, true or false, or a list of texts' },
  ),
  {
    maxProperties: MAX_SETTINGS,
    writeOnly: true,
    description: 'settings of this kind of repository (rootcast repository kinds)',
  },
);

export const SecretsField = Type.Record(Type.String({ minLength: 1, maxLength: 64 }), SecretField, {
  maxProperties: MAX_SETTINGS,
  writeOnly: true,
  description: 'secret settings of this kind of repository, by their names',
});

const KindField = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'a kind of repository (rootcast repository kinds)',
});

const PercentField = Type.Integer({ minimum: 1, maximum: 100, description: 'percent, 1 to 100' });

const WATERMARKS = {
  warningPercent: Type.Optional(
    Type.Integer({
      ...PercentField,
      description: `percent of its space in use from which on it is told, 1 to 100; ${DEFAULT_WARNING_PERCENT} unless given`,
    }),
  ),
  criticalPercent: Type.Optional(
    Type.Integer({
      ...PercentField,
      description: `the same, urgently; ${DEFAULT_CRITICAL_PERCENT} unless given`,
    }),
  ),
};

const SettingFieldView = Type.Object({
  name: Type.String(),
  type: words(['text', 'integer', 'boolean', 'list']),
  required: Type.Boolean(),
  secret: Type.Boolean({ description: 'goes into `secrets`, and is never shown' }),
  description: Type.String(),
});

export const RepositoryKindView = Type.Object({
  kind: Type.String(),
  description: Type.String(),
  settings: Type.Array(SettingFieldView),
});
export type RepositoryKindView = Static<typeof RepositoryKindView>;

export const ProbeInput = Type.Object(
  {
    kind: KindField,
    settings: Type.Optional(SettingsField),
    secrets: Type.Optional(SecretsField),
  },
  { additionalProperties: false },
);
export type ProbeInput = Static<typeof ProbeInput>;

const SettingValueView = Type.Union([
  Type.String(),
  Type.Number(),
  Type.Boolean(),
  Type.Array(Type.String()),
]);
const SettingsView = Type.Record(Type.String(), SettingValueView);

const CapabilityView = words(['no', 'yes', 'emulated']);
const CapabilitiesView = Type.Object(
  Object.fromEntries(CAPABILITY_FLAGS.map((flag) => [flag, CapabilityView])) as Record<
    CapabilityFlag,
    typeof CapabilityView
  >,
  { description: 'emulated: Rootcast does what the storage cannot' },
);

export const ProbeView = Type.Object({
  step: words(['address', 'system', 'pool', 'ready']),
  choose: nullable(
    Type.String({ description: 'the setting that comes next; null: it can be attached' }),
  ),
  // At the last step, as far as it is known without changing anything.
  capabilities: nullable(CapabilitiesView),
  found: Type.Array(
    Type.Object({
      value: Type.String({ description: 'for the setting that comes next' }),
      description: Type.String(),
      settings: SettingsView,
      size: nullable(BytesField),
      disk: Type.Optional(
        Type.Object(
          {
            vendor: Type.String(),
            product: Type.String(),
            serial: Type.String(),
            paths: Type.Optional(Type.Integer({ description: 'ways to it that this host has' })),
          },
          { description: 'what a disk says of itself' },
        ),
      ),
      holds: nullable(
        Type.Object({
          repositoryId: Type.String(),
          name: nullable(Type.String({ description: 'as a repository of this service' })),
        }),
      ),
    }),
  ),
});
export type ProbeView = Static<typeof ProbeView>;

export const ATTACH_MODES = ['create', 'existing', 'take-over'] as const;

export const CreateRepositoryInput = Type.Object(
  {
    name: NameField,
    kind: KindField,
    description: Type.Optional(DescriptionField),
    settings: Type.Optional(SettingsField),
    secrets: Type.Optional(SecretsField),
    mode: Type.Optional(
      words(ATTACH_MODES), // create unless given
    ),
    repositoryId: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: 'the id that the storage holds (probe says it); not with mode create',
      }),
    ),
    ...WATERMARKS,
  },
  { additionalProperties: false },
);
export type CreateRepositoryInput = Static<typeof CreateRepositoryInput>;

const ChangedSecretField = Type.Union([SecretField, Type.Null()], {
  writeOnly: true,
  description: `${SECRET_RULE}, or null`,
});

export const UpdateRepositoryInput = Type.Object(
  {
    name: Type.Optional(NameField),
    description: Type.Optional(DescriptionField),
    settings: Type.Optional(SettingsField),
    secrets: Type.Optional(
      Type.Record(Type.String({ minLength: 1, maxLength: 64 }), ChangedSecretField, {
        maxProperties: MAX_SETTINGS,
        writeOnly: true,
        description: 'secret settings to be changed; null removes one',
      }),
    ),
    ...WATERMARKS,
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateRepositoryInput = Static<typeof UpdateRepositoryInput>;

export const AttachRepositoryInput = Type.Object(
  {
    takeOver: Type.Optional(
      Type.Boolean({ description: 'true: another server owned it, and is shut out' }),
    ),
  },
  { additionalProperties: false },
);
export type AttachRepositoryInput = Static<typeof AttachRepositoryInput>;

const ForceField = Type.Boolean({ description: 'true: also while it is in use' });

export const ForceInput = Type.Object(
  { force: Type.Optional(ForceField) },
  { additionalProperties: false },
);
export type ForceInput = Static<typeof ForceInput>;

const InfoView = Type.Object({
  vendor: Type.String(),
  product: Type.String(),
  version: Type.String(),
  serial: Type.String(),
  limits: Type.Object({
    volumes: nullable(Type.Integer()),
    snapshotsPerVolume: nullable(Type.Integer()),
    cloneDepth: nullable(Type.Integer()),
    sizeGranularity: BytesField,
    sizeMinimum: BytesField,
    sizeMaximum: BytesField,
    nameLength: Type.Integer(),
  }),
});

export const SpaceView = Type.Object({
  total: BytesField,
  free: BytesField,
  usedPercent: Type.Number(),
  provisioned: nullable(Type.Integer({ description: 'bytes promised to volumes' })),
  measuredAt: TimeField,
});
export type SpaceView = Static<typeof SpaceView>;

export const RepositoryView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  kind: Type.String(),
  state: words(REPOSITORY_STATES),
  reason: nullable(Type.String({ description: 'why it is unreachable' })),
  settings: SettingsView,
  secretsSet: Type.Array(Type.String(), { description: 'secret settings that it has' }),
  info: nullable(InfoView),
  capabilities: nullable(CapabilitiesView),
  space: nullable(SpaceView),
  spaceLevel: words(SPACE_LEVELS),
  warningPercent: Type.Integer(),
  criticalPercent: Type.Integer(),
  volumes: Type.Integer(),
  snapshots: Type.Integer(),
  overlays: Type.Integer({ description: 'write caches of vDisks that lie in it' }),
  createdAt: TimeField,
});
export type RepositoryView = Static<typeof RepositoryView>;

export const HealthView = Type.Object({
  state: words(['good', 'degraded', 'failed', 'unknown']),
  messages: Type.Array(Type.String(), { description: 'worst first' }),
  paths: Type.Array(Type.Object({ name: Type.String(), up: Type.Boolean() })),
  space: nullable(SpaceView),
});
export type HealthView = Static<typeof HealthView>;
