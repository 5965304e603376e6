/** What is called before and after snapshots, replications and failovers. */
import Type, { type Static } from 'typebox';
import { HOOK_MOMENTS, HOOK_POLICIES } from '../catalog/storage/records.ts';
import { MAX_HOOK_ARGUMENT_LENGTH, MAX_HOOK_ARGUMENTS, MAX_URL_LENGTH } from '../limits.ts';
import { NameField, nullable, TimeField, words } from './fields.ts';
import { VolumeAddressField } from './host.ts';
import { SecretField } from './repository.ts';

const ArgvField = Type.Array(
  Type.String({
    maxLength: MAX_HOOK_ARGUMENT_LENGTH,
    pattern: '^[^\\x00]*$',
    description: `at most ${MAX_HOOK_ARGUMENT_LENGTH} characters`,
  }),
  {
    minItems: 1,
    maxItems: MAX_HOOK_ARGUMENTS,
    description: 'the name of a program in the hooks folder of the service, and its arguments',
  },
);

const UrlField = Type.String({
  minLength: 1,
  maxLength: MAX_URL_LENGTH,
  pattern: '^https?://',
  description: 'a URL such as https://server/path, which is sent JSON',
});

const TokenField = Type.String({
  ...SecretField,
  pattern: '^[\\x21-\\x7e]+$',
  description: 'what a webhook is sent as its bearer token',
});

const CHANGEABLE = {
  moment: Type.Optional(words(HOOK_MOMENTS)),
  argv: Type.Optional(ArgvField),
  url: Type.Optional(UrlField),
  timeout: Type.Optional(
    Type.String({ maxLength: 16, description: 'such as 30s or 5m; 30s unless given' }),
  ),
  policy: Type.Optional(words(HOOK_POLICIES)),
  quiesces: Type.Optional(
    Type.Boolean({
      description: 'true: what it does makes a snapshot consistent for its applications',
    }),
  ),
  enabled: Type.Optional(Type.Boolean({ description: 'false: it is not called' })),
};

export const AddHookInput = Type.Object(
  {
    name: NameField,
    repository: Type.Optional(NameField),
    volume: Type.Optional(VolumeAddressField),
    group: Type.Optional(NameField),
    ...CHANGEABLE,
    moment: words(HOOK_MOMENTS),
    token: Type.Optional(TokenField),
  },
  { additionalProperties: false },
);
export type AddHookInput = Static<typeof AddHookInput>;

export const UpdateHookInput = Type.Object(
  {
    name: Type.Optional(NameField),
    ...CHANGEABLE,
    token: Type.Optional(
      Type.Union([TokenField, Type.Null()], {
        writeOnly: true,
        description: 'what a webhook is sent as its bearer token; null: none',
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1, description: 'at least one field to change' },
);
export type UpdateHookInput = Static<typeof UpdateHookInput>;

export const HookView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  repository: nullable(Type.String()),
  volume: nullable(Type.String({ description: 'REPOSITORY/VOLUME' })),
  group: nullable(Type.String()),
  moment: words(HOOK_MOMENTS),
  argv: nullable(Type.Array(Type.String())),
  url: nullable(Type.String()),
  tokenSet: Type.Boolean(),
  timeout: Type.String(),
  policy: words(HOOK_POLICIES),
  quiesces: Type.Boolean(),
  enabled: Type.Boolean(),
  createdAt: TimeField,
});
export type HookView = Static<typeof HookView>;

/** How a hook ended, in the result of the task that called it. */
export const HookResultView = Type.Object({
  hook: Type.String(),
  moment: words(HOOK_MOMENTS),
  succeeded: Type.Boolean(),
  how: Type.String(),
  output: Type.String(),
  durationMs: Type.Integer(),
});
export type HookResultView = Static<typeof HookResultView>;
