/** Versions that leave this server and come to it. */
import Type, { type Static } from 'typebox';
import {
  MAX_BUNDLE_VERSIONS,
  MAX_CONTENT_IDS,
  MAX_TOKEN_LENGTH,
  MAX_URL_LENGTH,
} from '../limits.ts';
import { EXPORT_FORMATS } from '../transfer-port.ts';
import {
  BytesField,
  DescriptionField,
  KernelArgumentsField,
  NameField,
  nullable,
  PathField,
  words,
} from './fields.ts';
import { IMAGE_FORMATS, OverlayRepositoryField, PrepareFields, VdiskView } from './vdisk.ts';
import { VersionNumberField } from './version.ts';

const OverwriteField = Type.Boolean({ description: 'true: a file that is there is replaced' });

/** Names the file of a parent beside its child; no folder. */
const FileNameField = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: '^[^/\\\\\\x00]+$',
  description: 'the name of a file, without a folder',
});

const ContentFields = {
  compress: Type.Optional(
    Type.Boolean({ description: 'qcow2 only: clusters are packed with zstd; true unless given' }),
  ),
  parent: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: 'VHD only: the number of a version; what differs from it is in the file',
    }),
  ),
  parentFile: Type.Optional(FileNameField),
};

/** `format` has no default: what comes out of it is for other programs. */
export const VersionContentInput = Type.Object(
  { format: words(EXPORT_FORMATS), ...ContentFields },
  { additionalProperties: false },
);
export type VersionContentInput = Static<typeof VersionContentInput>;

export const ExportVersionInput = Type.Object(
  {
    path: PathField,
    format: words(EXPORT_FORMATS),
    ...ContentFields,
    overwrite: Type.Optional(OverwriteField),
  },
  { additionalProperties: false },
);
export type ExportVersionInput = Static<typeof ExportVersionInput>;

export const UploadVdiskInput = Type.Object(
  {
    name: NameField,
    description: Type.Optional(DescriptionField),
    format: Type.Optional(words(IMAGE_FORMATS)),
    kernelArguments: Type.Optional(KernelArgumentsField),
    repository: Type.Optional(
      Type.String({ description: "absent: the service's own", maxLength: 64 }),
    ),
    overlayRepository: Type.Optional(OverlayRepositoryField),
    ...PrepareFields,
  },
  { additionalProperties: false },
);
export type UploadVdiskInput = Static<typeof UploadVdiskInput>;

const VersionsField = Type.Array(VersionNumberField, {
  minItems: 1,
  maxItems: MAX_BUNDLE_VERSIONS,
  uniqueItems: true,
  description: 'numbers of versions; all that are sealed unless given',
});

const HasField = Type.Array(
  Type.String({ pattern: '^[0-9a-f]{64}$', description: '64 hexadecimal digits' }),
  { maxItems: MAX_CONTENT_IDS, description: 'content ids that the receiver has (its inventory)' },
);

/** What a server has, to be handed to the one that sends. */
export const InventoryView = Type.Object({ contentIds: HasField });
export type InventoryView = Static<typeof InventoryView>;

/** In a query: numbers with commas between them. */
export const BundleQuery = Type.Object(
  {
    versions: Type.Optional(
      Type.String({
        maxLength: 10_000,
        pattern: '^[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*$',
        description: 'numbers of versions, as 1,2,5; all that are sealed unless given',
      }),
    ),
    chunks: Type.Optional(
      Type.Union([Type.Literal('lacking'), Type.Literal('none')], {
        description: 'none: only the description; the receiver asks for the chunks (/v1/chunks)',
      }),
    ),
  },
  { additionalProperties: false },
);
export type BundleQuery = Static<typeof BundleQuery>;

export const ChunksQuery = Type.Object(
  { vdisk: NameField, versions: Type.Optional(BundleQuery.properties.versions) },
  { additionalProperties: false },
);
export type ChunksQuery = Static<typeof ChunksQuery>;

export const ExportBundleInput = Type.Object(
  {
    path: PathField,
    versions: Type.Optional(VersionsField),
    has: Type.Optional(HasField),
    overwrite: Type.Optional(OverwriteField),
  },
  { additionalProperties: false },
);
export type ExportBundleInput = Static<typeof ExportBundleInput>;

const UpdateField = Type.Boolean({
  description: 'true: versions are added to a vDisk of this name that is here',
});

/** In a query, beside the bundle itself. */
export const ReceiveBundleInput = Type.Object(
  { name: Type.Optional(NameField), update: Type.Optional(UpdateField) },
  { additionalProperties: false },
);
export type ReceiveBundleInput = Static<typeof ReceiveBundleInput>;

export const ImportBundleInput = Type.Object(
  { path: PathField, ...ReceiveBundleInput.properties },
  { additionalProperties: false },
);
export type ImportBundleInput = Static<typeof ImportBundleInput>;

export const PullBundleInput = Type.Object(
  {
    from: Type.String({
      minLength: 1,
      maxLength: MAX_URL_LENGTH,
      description: 'the URL of the other server, as https://server:8480',
    }),
    token: Type.String({
      minLength: 1,
      maxLength: MAX_TOKEN_LENGTH,
      pattern: '^[\\x21-\\x7e]+$',
      writeOnly: true, // never in an answer, not even in one that refuses it
      description: 'the bearer token of the other server',
    }),
    vdisk: NameField,
    versions: Type.Optional(VersionsField),
    ...ReceiveBundleInput.properties,
  },
  { additionalProperties: false },
);
export type PullBundleInput = Static<typeof PullBundleInput>;

export const BundleView = Type.Object({
  name: Type.String(),
  description: Type.String(),
  chunks: words(['lacking', 'none']),
  versions: Type.Array(
    Type.Object({
      number: Type.Integer(),
      state: Type.String(),
      contentId: Type.String(),
      size: BytesField,
      parent: nullable(Type.Integer()),
      sent: Type.Boolean({ description: 'false: the receiver is said to have it' }),
      here: Type.Boolean({ description: 'this server has its content' }),
      format: nullable(Type.String()),
      description: nullable(Type.String()),
      createdAt: nullable(Type.String()),
      kernel: nullable(Type.String({ description: 'version of the kernel' })),
    }),
  ),
});
export type BundleView = Static<typeof BundleView>;

export const ReceivedBundleView = Type.Object({
  vdisk: VdiskView,
  added: Type.Array(Type.Integer(), { description: 'numbers of versions' }),
  present: Type.Array(Type.Integer(), { description: 'versions that were here already' }),
  chunksReceived: Type.Integer({ description: 'chunks of 64 KiB that were sent' }),
  chunksLocal: Type.Integer({ description: 'chunks that were here' }),
  bytesReceived: BytesField,
});
export type ReceivedBundleView = Static<typeof ReceivedBundleView>;

export const WrittenFileView = Type.Object({ path: Type.String(), length: BytesField });
export type WrittenFileView = Static<typeof WrittenFileView>;
