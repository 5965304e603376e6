/** Volumes of repositories, and who may reach them. */
import Type, { type Static } from 'typebox';
import { VOLUME_ROLES } from '../catalog/storage/records.ts';
import {
  DEFAULT_ITEMS_PER_PAGE,
  MAX_ITEMS_PER_PAGE,
  MAX_NATIVE_ID_LENGTH,
  MAX_SIZE_TEXT_LENGTH,
} from '../limits.ts';
import { SIZE_RULE } from '../values/byte-size.ts';
import { BytesField, DescriptionField, NameField, nullable, TimeField, words } from './fields.ts';
import { SECRET_RULE } from './repository.ts';

export const SizeField = Type.Union(
  [Type.Integer({ minimum: 1 }), Type.String({ maxLength: MAX_SIZE_TEXT_LENGTH })],
  { description: SIZE_RULE },
);

export const LimitField = Type.Integer({
  minimum: 1,
  maximum: MAX_ITEMS_PER_PAGE,
  description: `1 to ${MAX_ITEMS_PER_PAGE}; ${DEFAULT_ITEMS_PER_PAGE} unless given`,
});

export const AfterField = Type.String({
  maxLength: 128,
  description: '`next` of the page before',
});

export const PageInput = Type.Object(
  { limit: Type.Optional(LimitField), after: Type.Optional(AfterField) },
  { additionalProperties: false },
);
export type PageInput = Static<typeof PageInput>;

/** A page of a list. */
export function page<T extends Type.TSchema>(schema: T) {
  return Type.Object({
    items: Type.Array(schema),
    next: nullable(Type.String({ description: '`after` of the next page; null: that was all' })),
  });
}

export const CreateVolumeInput = Type.Object(
  {
    name: NameField,
    size: SizeField,
    thin: Type.Optional(
      Type.Boolean({ description: 'false: all of its space is taken at once; true unless given' }),
    ),
    description: Type.Optional(DescriptionField),
  },
  { additionalProperties: false },
);
export type CreateVolumeInput = Static<typeof CreateVolumeInput>;

export const UpdateVolumeInput = Type.Object(
  { name: Type.Optional(NameField), description: Type.Optional(DescriptionField) },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateVolumeInput = Static<typeof UpdateVolumeInput>;

export const ResizeVolumeInput = Type.Object({ size: SizeField }, { additionalProperties: false });
export type ResizeVolumeInput = Static<typeof ResizeVolumeInput>;

export const AdoptVolumeInput = Type.Object(
  {
    nativeId: Type.String({
      minLength: 1,
      maxLength: MAX_NATIVE_ID_LENGTH,
      description: "the storage's own id of the volume (rootcast volume foreign)",
    }),
    name: NameField,
    description: Type.Optional(DescriptionField),
  },
  { additionalProperties: false },
);
export type AdoptVolumeInput = Static<typeof AdoptVolumeInput>;

export const CLONE_KINDS = ['linked', 'full'] as const;

export const CloneInput = Type.Object(
  {
    name: NameField,
    kind: Type.Optional(words(CLONE_KINDS)), // linked unless given, or to another repository
    repository: Type.Optional(NameField),
    description: Type.Optional(DescriptionField),
  },
  { additionalProperties: false },
);
export type CloneInput = Static<typeof CloneInput>;

export const RevertVolumeInput = Type.Object(
  {
    snapshot: Type.String({
      minLength: 1,
      maxLength: 128,
      description: 'the name or the id of a snapshot of this volume',
    }),
  },
  { additionalProperties: false },
);
export type RevertVolumeInput = Static<typeof RevertVolumeInput>;

export const VolumeView = Type.Object({
  id: Type.String(),
  repository: Type.String(),
  name: Type.String(),
  description: Type.String(),
  size: BytesField,
  thin: Type.Boolean(),
  wwid: nullable(Type.String()),
  role: words(VOLUME_ROLES),
  parent: nullable(
    Type.String({ description: 'what a linked clone stands on: VOLUME@SNAPSHOT, or a volume' }),
  ),
  snapshots: Type.Integer(),
  groups: Type.Array(Type.String(), { description: 'volume groups that it is in' }),
  export: Type.String({ description: 'NBD export name' }),
  createdAt: TimeField,
});
export type VolumeView = Static<typeof VolumeView>;

export const VolumeLiveView = Type.Object({
  ...VolumeView.properties,
  connections: nullable(Type.Integer({ description: 'open NBD connections; null: not known now' })),
  allocated: nullable(Type.Integer({ description: 'bytes; null: the storage does not say' })),
});
export type VolumeLiveView = Static<typeof VolumeLiveView>;

export const ForeignVolumeView = Type.Object({
  nativeId: Type.String({ description: 'to be given to adopt' }),
  name: Type.String(),
  size: BytesField,
  wwid: nullable(Type.String()),
});
export type ForeignVolumeView = Static<typeof ForeignVolumeView>;

/** CHAP passwords of 12 to 16 bytes are what every initiator takes (RFC 7143, section 9.2.1: 96 bits at least). */
const ChapPasswordField = Type.String({
  minLength: 12,
  maxLength: 255,
  writeOnly: true,
  description: '12 to 255 characters',
});

const ChapUserField = Type.String({
  minLength: 1,
  maxLength: 255,
  description: '1 to 255 characters',
});

export const MAPPING_MODES = ['rw', 'ro'] as const;

export const MapVolumeInput = Type.Object(
  {
    host: NameField,
    mode: Type.Optional(words(MAPPING_MODES)), // rw unless given
    chap: Type.Optional(
      Type.Object(
        {
          user: ChapUserField,
          password: ChapPasswordField,
          mutual: Type.Optional(
            Type.Object(
              { user: ChapUserField, password: ChapPasswordField },
              {
                additionalProperties: false,
                writeOnly: true,
                description: 'what the storage proves itself with',
              },
            ),
          ),
        },
        {
          additionalProperties: false,
          writeOnly: true,
          description: `user and password (${SECRET_RULE}) that the host must know`,
        },
      ),
    ),
  },
  { additionalProperties: false },
);
export type MapVolumeInput = Static<typeof MapVolumeInput>;

export const MappingView = Type.Object({
  host: Type.String(),
  mode: words(MAPPING_MODES),
  lun: nullable(Type.Integer()),
  sessions: Type.Array(Type.String(), { description: 'who has it open now' }),
  portals: Type.Array(Type.String()),
  iqn: nullable(Type.String()),
  path: nullable(Type.String()),
});
export type MappingView = Static<typeof MappingView>;
