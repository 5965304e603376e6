/** Fields that several inputs and answers share. `description` says what is right, in errors too. */
import Type from 'typebox';
import { CACHE_MODES } from '../catalog/records.ts';
import {
  MAX_DESCRIPTION_LENGTH,
  MAX_KERNEL_ARGUMENTS_LENGTH,
  MAX_NAME_LENGTH,
  MAX_PATH_LENGTH,
  MAX_SIZE_TEXT_LENGTH,
} from '../limits.ts';
import { SIZE_RULE } from '../values/byte-size.ts';
import { MAC_RULE } from '../values/mac-address.ts';
import { NAME_RULE } from '../values/name.ts';

export function nullable<T extends Type.TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()]);
}

export function words<const T extends readonly string[]>(values: T) {
  const description = `one of ${values.join(', ')}`;
  return Type.Unsafe<T[number]>({ type: 'string', enum: [...values], description });
}

export const NameField = Type.String({
  minLength: 1,
  maxLength: MAX_NAME_LENGTH,
  pattern: '^[a-z0-9][a-z0-9._-]*$',
  description: NAME_RULE,
});

/** Looked at by parseMac, which knows the spellings. */
export const MacField = Type.String({ minLength: 1, maxLength: 32, description: MAC_RULE });

export const QuotaField = Type.Union(
  [Type.Integer({ minimum: 0 }), Type.String({ maxLength: MAX_SIZE_TEXT_LENGTH }), Type.Null()],
  { description: `${SIZE_RULE}; null for no quota` },
);

export const CacheModeField = words(CACHE_MODES);

export const DescriptionField = Type.String({
  maxLength: MAX_DESCRIPTION_LENGTH,
  description: `at most ${MAX_DESCRIPTION_LENGTH} characters`,
});

export const KernelArgumentsField = Type.String({
  maxLength: MAX_KERNEL_ARGUMENTS_LENGTH,
  description: 'added to the kernel command line',
});

export const PathField = Type.String({
  minLength: 1,
  maxLength: MAX_PATH_LENGTH,
  pattern: '^/',
  description: 'an absolute path on the machine the service runs on',
});

export const TimeField = Type.String({ format: 'date-time' });

export const BytesField = Type.Integer({ minimum: 0, description: 'bytes' });

export function items<T extends Type.TSchema>(schema: T) {
  return Type.Object({ items: Type.Array(schema) });
}
