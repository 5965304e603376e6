import Type, { type Static } from 'typebox';
import { ON_CACHE_IMPOSSIBLE, SSH_HOST_KEYS } from '../catalog/records.ts';
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
import { VersionNumberField, VersionView } from './version.ts';

export const IMAGE_FORMATS = ['raw', 'qcow2', 'vhd', 'vmdk', 'vhdx'] as const;

export const OverlayRepositoryField = Type.String({
  description:
    "the repository in which write caches are made from now on; absent: the service's own",
  maxLength: 64,
});

/** Of an import, by a path or an upload. */
export const PrepareFields = {
  prepare: Type.Optional(
    Type.Boolean({
      description:
        'true: a copy of the image is given what a machine needs to boot over Rootcast, as `rootcast image prepare` does, and imported',
    }),
  ),
  installPackages: Type.Optional(
    Type.Boolean({
      description:
        "with `prepare`: packages that the image lacks are installed, by the image's apt",
    }),
  ),
};

export const ImportVdiskInput = Type.Object(
  {
    name: NameField,
    path: PathField,
    description: Type.Optional(DescriptionField),
    format: Type.Optional(words(IMAGE_FORMATS)),
    kernel: Type.Optional(PathField),
    initrd: Type.Optional(PathField),
    kernelArguments: Type.Optional(KernelArgumentsField),
    repository: Type.Optional(
      Type.String({
        description: "the repository in which its layers lie; absent: the service's own",
        maxLength: 64,
      }),
    ),
    overlayRepository: Type.Optional(OverlayRepositoryField),
    ...PrepareFields,
  },
  { additionalProperties: false },
);
export type ImportVdiskInput = Static<typeof ImportVdiskInput>;

export const UpdateVdiskInput = Type.Object(
  {
    description: Type.Optional(DescriptionField),
    pinnedVersion: Type.Optional(
      Type.Union([VersionNumberField, Type.Null()], {
        description: 'the number of a version; null for the newest that is released',
      }),
    ),
    overlayRepository: Type.Optional(
      Type.Union([OverlayRepositoryField, Type.Null()], {
        description:
          "the repository in which write caches are made from now on; null for the service's own. Those that exist stay where they are",
      }),
    ),
    onCacheImpossible: Type.Optional(words(ON_CACHE_IMPOSSIBLE)),
    sshHostKeys: Type.Optional(words(SSH_HOST_KEYS)),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateVdiskInput = Static<typeof UpdateVdiskInput>;

export const VdiskView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  createdAt: TimeField,
  production: nullable(Type.Integer({ description: 'number of the version that machines boot' })),
  pinnedVersion: nullable(Type.Integer({ description: 'overrides what was released since' })),
  repository: nullable(
    Type.String({ description: "in which its base layers lie; null: the service's own" }),
  ),
  overlayRepository: nullable(
    Type.String({ description: "in which write caches are made; null: the service's own" }),
  ),
  overlaysElsewhere: Type.Integer({
    description:
      'write caches that lie in another one: they stay there until they are renewed, captured or sealed',
  }),
  onCacheImpossible: Type.Unsafe<(typeof ON_CACHE_IMPOSSIBLE)[number]>({
    ...words(ON_CACHE_IMPOSSIBLE),
    description: 'of a machine that cannot have the write cache on itself that it is to have',
  }),
  sshHostKeys: Type.Unsafe<(typeof SSH_HOST_KEYS)[number]>({
    ...words(SSH_HOST_KEYS),
    description: 'kept: by the server, for each machine; each-boot: made anew; image: left alone',
  }),
  size: BytesField,
  dataBytes: BytesField,
  bootable: Type.Boolean({ description: 'it has a kernel, so machines can boot from it over PXE' }),
  machines: Type.Integer({ description: 'machines that boot from it' }),
  connections: Type.Integer({ description: 'open NBD connections that read from it' }),
  export: Type.String({ description: 'NBD export name of the production version' }),
  versions: Type.Array(VersionView),
});
export type VdiskView = Static<typeof VdiskView>;

/** What the task of an import results in. */
export interface ImportedVdisk extends VdiskView {
  /** What its preparation changed, and what else is to be known; absent: it was imported as it is. */
  readonly prepared?: { readonly changed: readonly string[]; readonly notes: readonly string[] };
}
