import Type, { type Static } from 'typebox';
import { ENROLMENT_STATES } from '../catalog/records.ts';
import { MAX_NAME_LENGTH } from '../limits.ts';
import { NAME_PATTERN_RULE } from '../values/name-pattern.ts';
import { CacheModeField, NameField, nullable, TimeField, words } from './fields.ts';
import { SETTING_FIELDS, SettingsView } from './settings.ts';

export const EnrolmentView = Type.Object({
  mac: Type.String(),
  arch: Type.String(),
  state: words(ENROLMENT_STATES),
  firstSeenAt: TimeField,
  lastSeenAt: TimeField,
});
export type EnrolmentView = Static<typeof EnrolmentView>;

export const ApproveEnrolmentInput = Type.Object(
  {
    name: NameField,
    collection: Type.Optional(NameField),
    ...SETTING_FIELDS,
  },
  { additionalProperties: false },
);
export type ApproveEnrolmentInput = Static<typeof ApproveEnrolmentInput>;

const TemplateInput = Type.Object(
  {
    namePattern: Type.String({ maxLength: MAX_NAME_LENGTH, description: NAME_PATTERN_RULE }),
    collection: Type.Optional(NameField),
    ...SETTING_FIELDS,
  },
  { additionalProperties: false },
);

export const EnrolmentPolicyInput = Type.Object(
  {
    mode: words(['wait', 'template']),
    template: Type.Optional(TemplateInput),
  },
  { additionalProperties: false },
);
export type EnrolmentPolicyInput = Static<typeof EnrolmentPolicyInput>;

export const EnrolmentPolicyView = Type.Object({
  mode: words(['wait', 'template']),
  template: nullable(
    Type.Object({
      vdisk: Type.String(),
      namePattern: Type.String(),
      collection: nullable(Type.String()),
      cacheMode: CacheModeField,
      quotaBytes: nullable(Type.Integer()),
      settings: SettingsView,
    }),
  ),
});
export type EnrolmentPolicyView = Static<typeof EnrolmentPolicyView>;
