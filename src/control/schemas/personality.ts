/** Names and values that a machine is handed when it boots. */
import Type, { type Static } from 'typebox';
import { MAX_PERSONALITY_BYTES } from '../limits.ts';
import { BytesField } from './fields.ts';

// Names and values are looked at by the operation, which says which of them is wrong.
const Values = Type.Record(Type.String(), Type.String(), {
  description: `names and values, at most ${MAX_PERSONALITY_BYTES} bytes a machine`,
});

export const ReplacePersonalityInput = Type.Object(
  { values: Values },
  { additionalProperties: false },
);
export type ReplacePersonalityInput = Static<typeof ReplacePersonalityInput>;

export const UpdatePersonalityInput = Type.Object(
  {
    set: Type.Optional(Values),
    unset: Type.Optional(Type.Array(Type.String(), { description: 'names that go' })),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one of set and unset' },
);
export type UpdatePersonalityInput = Static<typeof UpdatePersonalityInput>;

export const PersonalityView = Type.Object({
  values: Type.Record(Type.String(), Type.String(), { description: 'its own' }),
  inherited: Type.Record(Type.String(), Type.String(), {
    description: "of its collection, where it has none of that name; empty for a collection's",
  }),
  bytes: Type.Integer({ minimum: 0, description: 'UTF-8 bytes of all these names and values' }),
  bytesMax: BytesField,
});
export type PersonalityView = Static<typeof PersonalityView>;
