/** Who may log in to XenAPI. */
import Type, { type Static } from 'typebox';
import { XEN_ROLES } from '../catalog/xen/records.ts';
import { MAX_XEN_PASSWORD_LENGTH, MIN_XEN_PASSWORD_LENGTH } from '../limits.ts';
import { NameField, nullable, TimeField, words } from './fields.ts';

const PasswordField = Type.String({
  minLength: MIN_XEN_PASSWORD_LENGTH,
  maxLength: MAX_XEN_PASSWORD_LENGTH,
  writeOnly: true,
  description: `a password of ${MIN_XEN_PASSWORD_LENGTH} to ${MAX_XEN_PASSWORD_LENGTH} characters`,
});

const EnabledField = Type.Boolean({ description: 'false: it cannot log in' });

export const AddXenUserInput = Type.Object(
  {
    name: NameField,
    role: words(XEN_ROLES),
    password: PasswordField,
    enabled: Type.Optional(EnabledField),
  },
  { additionalProperties: false },
);
export type AddXenUserInput = Static<typeof AddXenUserInput>;

export const UpdateXenUserInput = Type.Object(
  {
    role: Type.Optional(words(XEN_ROLES)),
    password: Type.Optional(PasswordField),
    enabled: Type.Optional(EnabledField),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateXenUserInput = Static<typeof UpdateXenUserInput>;

export const XenUserView = Type.Object({
  name: Type.String(),
  role: words(XEN_ROLES),
  enabled: Type.Boolean(),
  builtIn: Type.Boolean({
    description: 'root: its password is the token of the API, and nothing of it can be changed',
  }),
  createdAt: nullable(TimeField),
  lastLoginAt: nullable(TimeField),
});
export type XenUserView = Static<typeof XenUserView>;
