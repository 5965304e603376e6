import Type, { type Static } from 'typebox';
import { BOOT_ENDS, BOOT_STAGES, MACHINE_ENROLMENTS } from '../catalog/records.ts';
import {
  BytesField,
  CacheModeField,
  KernelArgumentsField,
  MacField,
  NameField,
  nullable,
  QuotaField,
  TimeField,
  words,
} from './fields.ts';

export const MACHINE_STATES = ['off', 'booting', 'running'] as const;

export const AddMachineInput = Type.Object(
  {
    name: NameField,
    mac: MacField,
    vdisk: NameField,
    cacheMode: Type.Optional(CacheModeField),
    quota: Type.Optional(QuotaField),
    kernelArguments: Type.Optional(KernelArgumentsField),
    enabled: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type AddMachineInput = Static<typeof AddMachineInput>;

export const UpdateMachineInput = Type.Object(
  {
    mac: Type.Optional(MacField),
    vdisk: Type.Optional(NameField),
    cacheMode: Type.Optional(CacheModeField),
    quota: Type.Optional(QuotaField),
    kernelArguments: Type.Optional(KernelArgumentsField),
    enabled: Type.Optional(Type.Boolean()),
    discardCache: Type.Optional(
      Type.Boolean({ description: 'true when another vDisk may cost a persistent write cache' }),
    ),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateMachineInput = Static<typeof UpdateMachineInput>;

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
      afterMs: Type.Integer({ description: 'milliseconds after the boot was requested' }),
    }),
  ),
});
export type BootView = Static<typeof BootView>;

export const MachineView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  mac: Type.String(),
  state: words(MACHINE_STATES),
  vdisk: Type.String(),
  version: nullable(
    Type.Integer({ description: 'of the last boot while it is up, else the next' }),
  ),
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
