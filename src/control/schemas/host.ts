/** Hosts that volumes are mapped to, and volumes that belong together. */
import Type, { type Static } from 'typebox';
import { MAX_HOST_PORTS, MAX_VOLUMES_AT_ONCE } from '../limits.ts';
import { VOLUME_ADDRESS_RULE } from '../values/storage-address.ts';
import { DescriptionField, NameField, TimeField } from './fields.ts';

/** RFC 7143, section 4.2.7: at most 223 bytes; iqn., eui. or naa. */
const IqnsField = Type.Array(
  Type.String({
    maxLength: 223,
    pattern:
      '^(iqn\\.[0-9]{4}-[0-9]{2}\\.[a-z0-9.:-]+|eui\\.[0-9A-Fa-f]{16}|naa\\.[0-9A-Fa-f]{16,32})$',
    description:
      "an iSCSI name such as iqn.2026-01.com.example:host1 (lower case, 'eui.' or 'naa.')",
  }),
  {
    maxItems: MAX_HOST_PORTS,
    uniqueItems: true,
    description: `at most ${MAX_HOST_PORTS} initiator names, each once`,
  },
);

const AddressesField = Type.Array(
  Type.String({ minLength: 1, maxLength: 64, description: 'an IP address or network' }),
  {
    maxItems: MAX_HOST_PORTS,
    uniqueItems: true,
    description: `at most ${MAX_HOST_PORTS} IP addresses or networks, each once`,
  },
);

export const AddHostInput = Type.Object(
  {
    name: NameField,
    description: Type.Optional(DescriptionField),
    iqns: Type.Optional(IqnsField),
    addresses: Type.Optional(AddressesField),
  },
  { additionalProperties: false },
);
export type AddHostInput = Static<typeof AddHostInput>;

export const UpdateHostInput = Type.Object(
  {
    name: Type.Optional(NameField),
    description: Type.Optional(DescriptionField),
    iqns: Type.Optional(IqnsField),
    addresses: Type.Optional(AddressesField),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateHostInput = Static<typeof UpdateHostInput>;

export const HostView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  iqns: Type.Array(Type.String()),
  addresses: Type.Array(Type.String()),
  createdAt: TimeField,
});
export type HostView = Static<typeof HostView>;

export const FenceInput = Type.Object(
  { repository: NameField },
  { additionalProperties: false, description: 'the repository that it is cut off from' },
);
export type FenceInput = Static<typeof FenceInput>;

export const FenceView = Type.Object({
  who: Type.String({ description: 'an initiator name or an address' }),
  hosts: Type.Array(Type.String(), { description: 'hosts of the catalog that have it' }),
});
export type FenceView = Static<typeof FenceView>;

export const VolumeAddressField = Type.String({
  minLength: 3,
  maxLength: 127,
  description: VOLUME_ADDRESS_RULE,
});

export const MembersField = Type.Array(VolumeAddressField, {
  minItems: 1,
  maxItems: MAX_VOLUMES_AT_ONCE,
  uniqueItems: true,
  description: `1 to ${MAX_VOLUMES_AT_ONCE} volumes, each once, as ${VOLUME_ADDRESS_RULE}`,
});

export const AddVolumeGroupInput = Type.Object(
  { name: NameField, description: Type.Optional(DescriptionField), volumes: MembersField },
  { additionalProperties: false },
);
export type AddVolumeGroupInput = Static<typeof AddVolumeGroupInput>;

export const UpdateVolumeGroupInput = Type.Object(
  {
    name: Type.Optional(NameField),
    description: Type.Optional(DescriptionField),
    volumes: Type.Optional(MembersField),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateVolumeGroupInput = Static<typeof UpdateVolumeGroupInput>;

export const VolumeGroupView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  volumes: Type.Array(Type.String(), { description: VOLUME_ADDRESS_RULE }),
  createdAt: TimeField,
});
export type VolumeGroupView = Static<typeof VolumeGroupView>;
