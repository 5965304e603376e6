import Type, { type Static } from 'typebox';
import {
  BOOT_ENDS,
  BOOT_STAGES,
  DEVICE_CACHE_MODES,
  DEVICE_CACHE_STATES,
  GOT_CACHES,
  MACHINE_CLASSES,
  MACHINE_ENROLMENTS,
  ON_NEW_VERSION,
} from '../catalog/records.ts';
import { MAX_MACHINES_PER_UPDATE } from '../limits.ts';
import {
  BytesField,
  CacheModeField,
  KernelArgumentsField,
  MacField,
  NameField,
  nullable,
  TimeField,
  words,
} from './fields.ts';
import { INHERIT_FIELD, SETTING_FIELDS, SettingsView } from './settings.ts';
import { VersionNumberField } from './version.ts';

export const MACHINE_STATES = ['off', 'booting', 'running'] as const;

export const AddMachineInput = Type.Object(
  {
    name: NameField,
    mac: MacField,
    collection: Type.Optional(NameField),
    ...SETTING_FIELDS,
    pinnedVersion: Type.Optional(VersionNumberField),
    kernelArguments: Type.Optional(KernelArgumentsField),
  },
  { additionalProperties: false },
);
export type AddMachineInput = Static<typeof AddMachineInput>;

export const DiscardCacheField = Type.Boolean({
  description: 'true when another vDisk may cost a persistent write cache',
});

const CHANGE_FIELDS = {
  collection: Type.Optional(
    Type.Union([NameField, Type.Null()], {
      description: 'the name of a collection; null for none',
    }),
  ),
  ...SETTING_FIELDS,
  ...INHERIT_FIELD,
  pinnedVersion: Type.Optional(
    Type.Union([VersionNumberField, Type.Null()], {
      description: 'the number of a version of its vDisk; null to let its class decide',
    }),
  ),
  kernelArguments: Type.Optional(KernelArgumentsField),
  discardCache: Type.Optional(DiscardCacheField),
};

export const UpdateMachineInput = Type.Object(
  { mac: Type.Optional(MacField), ...CHANGE_FIELDS },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateMachineInput = Static<typeof UpdateMachineInput>;

/** One change for many machines: those that are named, or all of a collection. */
export const UpdateMachinesInput = Type.Object(
  {
    machines: Type.Optional(
      Type.Array(NameField, {
        minItems: 1,
        maxItems: MAX_MACHINES_PER_UPDATE,
        description: `1 to ${MAX_MACHINES_PER_UPDATE} names of machines`,
      }),
    ),
    collection: Type.Optional(NameField),
    change: Type.Object(CHANGE_FIELDS, {
      additionalProperties: false,
      minProperties: 1,
      description: 'at least one field to change',
    }),
  },
  { additionalProperties: false },
);
export type UpdateMachinesInput = Static<typeof UpdateMachinesInput>;

export const ListMachinesInput = Type.Object(
  { collection: Type.Optional(NameField) },
  { additionalProperties: false },
);
export type ListMachinesInput = Static<typeof ListMachinesInput>;

export const BootView = Type.Object({
  startedAt: TimeField,
  vdisk: Type.String(),
  version: Type.Integer(),
  durationMs: nullable(Type.Integer()),
  ended: nullable(words(BOOT_ENDS)),
  endedAt: nullable(TimeField),
  timeline: Type.Array(
    Type.Object({
      stage: words(BOOT_STAGES),
      at: TimeField,
      afterMs: Type.Integer({
        description: 'milliseconds after the boot was let begin; negative before',
      }),
    }),
  ),
});
export type BootView = Static<typeof BootView>;

/** Why a machine boots the version that it boots. */
export const NEXT_REASONS = [
  'private',
  'machine pin',
  'maintenance',
  'test',
  'vDisk pin',
  'release',
] as const;

const NextVersionView = Type.Object({
  version: nullable(Type.Integer({ description: 'what a fresh boot is given' })),
  because: nullable(words(NEXT_REASONS)),
  reason: nullable(Type.String({ description: 'why there is none' })),
});

export const MachineView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  mac: Type.String(),
  state: words(MACHINE_STATES),
  vdisk: Type.String(),
  version: nullable(
    Type.Integer({ description: 'of the last boot while it is up, else the next' }),
  ),
  collection: nullable(Type.String()),
  class: words(MACHINE_CLASSES),
  pinnedVersion: nullable(Type.Integer()),
  onNewVersion: words(ON_NEW_VERSION),
  next: NextVersionView,
  holds: nullable(
    Type.Integer({
      description:
        'the version that its persistent write cache stands on and keeps it on, if not next',
    }),
  ),
  maintains: nullable(
    Type.Integer({ description: 'the version in maintenance that it booted, and writes' }),
  ),
  settings: SettingsView,
  server: nullable(Type.String({ description: 'who serves it; null while it is off' })),
  enabled: Type.Boolean(),
  enrolment: words(MACHINE_ENROLMENTS),
  createdAt: TimeField,
  kernelArguments: Type.String(),
  export: Type.String({ description: 'NBD export name of its disk' }),
  cacheMode: CacheModeField,
  cache: Type.Object({
    usedBytes: BytesField,
    quotaBytes: nullable(BytesField),
    percent: nullable(Type.Number({ description: 'of the quota; null without one' })),
    full: Type.Boolean({
      description: 'a write was refused for want of space since the last boot',
    }),
  }),
  deviceCache: nullable(
    Type.Object(
      {
        asked: words(DEVICE_CACHE_MODES),
        got: nullable(
          Type.Unsafe<(typeof GOT_CACHES)[number]>({
            ...words(GOT_CACHES),
            description: 'the mode that it really has; server: it fell back. null: it has not said',
          }),
        ),
        state: words(DEVICE_CACHE_STATES),
        reason: Type.String({ description: 'in its words: why it is another mode, or none' }),
        sizeBytes: BytesField,
        usedBytes: BytesField,
        percent: nullable(Type.Number({ description: 'of its size; null before it has said' })),
        reportedAt: nullable(TimeField),
      },
      { description: 'the write cache on the machine as it says itself, since its last boot' },
    ),
  ),
  sshHostKeys: Type.Array(Type.String(), {
    description: 'public keys that the server keeps for it: lines of known_hosts, without names',
  }),
  bytesRead: BytesField,
  bytesWritten: BytesField,
  readRequests: Type.Integer(),
  writeRequests: Type.Integer(),
  lastRequestAt: nullable(TimeField),
  connections: Type.Array(
    Type.Object({ address: Type.String(), connectedAt: TimeField, tls: Type.Boolean() }),
  ),
  lastBoot: nullable(BootView),
});
export type MachineView = Static<typeof MachineView>;
