/** Machines that are treated alike. */
import Type, { type Static } from 'typebox';
import { DescriptionField, KernelArgumentsField, NameField, TimeField } from './fields.ts';
import { DiscardCacheField } from './machine.ts';
import { INHERIT_FIELD, SETTING_FIELDS, SettingsView } from './settings.ts';

export const AddCollectionInput = Type.Object(
  {
    name: NameField,
    description: Type.Optional(DescriptionField),
    ...SETTING_FIELDS,
    kernelArguments: Type.Optional(KernelArgumentsField),
  },
  { additionalProperties: false },
);
export type AddCollectionInput = Static<typeof AddCollectionInput>;

export const UpdateCollectionInput = Type.Object(
  {
    name: Type.Optional(NameField),
    description: Type.Optional(DescriptionField),
    ...SETTING_FIELDS,
    ...INHERIT_FIELD,
    kernelArguments: Type.Optional(KernelArgumentsField),
    discardCache: Type.Optional(DiscardCacheField),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateCollectionInput = Static<typeof UpdateCollectionInput>;

export const CollectionView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  createdAt: TimeField,
  machines: Type.Integer({ description: 'machines in it' }),
  settings: SettingsView,
  kernelArguments: Type.String({
    description: "on the kernel command line after the version's and before the machine's",
  }),
});
export type CollectionView = Static<typeof CollectionView>;
