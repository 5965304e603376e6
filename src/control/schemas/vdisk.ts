import Type, { type Static } from 'typebox';
import { INITRAMFS_KINDS, VERSION_STATES } from '../catalog/records.ts';
import {
  BytesField,
  DescriptionField,
  KernelArgumentsField,
  NameField,
  nullable,
  PathField,
  TimeField,
  words,
} from './fields.ts';

export const IMAGE_FORMATS = ['raw', 'qcow2', 'vhd', 'vmdk', 'vhdx'] as const;

export const ImportVdiskInput = Type.Object(
  {
    name: NameField,
    path: PathField,
    description: Type.Optional(DescriptionField),
    format: Type.Optional(words(IMAGE_FORMATS)),
    kernel: Type.Optional(PathField),
    initrd: Type.Optional(PathField),
    kernelArguments: Type.Optional(KernelArgumentsField),
  },
  { additionalProperties: false },
);
export type ImportVdiskInput = Static<typeof ImportVdiskInput>;

export const VersionView = Type.Object({
  number: Type.Integer(),
  state: words(VERSION_STATES),
  layerId: Type.String(),
  contentId: Type.String({ description: 'SHA-256 of the manifest, hex' }),
  size: BytesField,
  dataBytes: BytesField,
  format: Type.String({ description: 'of the image it was imported from' }),
  kernel: nullable(Type.String()),
  initrd: nullable(Type.String()),
  initramfs: words(INITRAMFS_KINDS),
  rootPartition: Type.String(),
  rootFilesystem: nullable(Type.String()),
  kernelArguments: Type.String(),
  createdAt: TimeField,
});
export type VersionView = Static<typeof VersionView>;

export const VdiskView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  createdAt: TimeField,
  production: nullable(Type.Integer({ description: 'number of the version that machines boot' })),
  size: BytesField,
  dataBytes: BytesField,
  bootable: Type.Boolean({ description: 'it has a kernel, so machines can boot from it over PXE' }),
  machines: Type.Integer({ description: 'machines that boot from it' }),
  connections: Type.Integer({ description: 'open NBD connections that read from it' }),
  export: Type.String({ description: 'NBD export name of the production version' }),
  versions: Type.Array(VersionView),
});
export type VdiskView = Static<typeof VdiskView>;
