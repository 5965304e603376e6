import Type, { type Static } from 'typebox';
import { ENROLMENT_STATES } from '../catalog/records.ts';
import { MAX_NAME_LENGTH } from '../limits.ts';
import { NAME_PATTERN_RULE } from '../values/name-pattern.ts';
import { CacheModeField, NameField, nullable, QuotaField, TimeField, words } from './fields.ts';

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
    vdisk: NameField,
    cacheMode: Type.Optional(CacheModeField),
    quota: Type.Optional(QuotaField),
  },
  { additionalProperties: false },
);
export type ApproveEnrolmentInput = Static<typeof ApproveEnrolmentInput>;

const TemplateInput = Type.Object(
  {
    vdisk: NameField,
    namePattern: Type.String({ maxLength: MAX_NAME_LENGTH, description: NAME_PATTERN_RULE }),
    cacheMode: Type.Optional(CacheModeField),
    quota: Type.Optional(QuotaField),
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
      cacheMode: CacheModeField,
      quotaBytes: nullable(Type.Integer()),
    }),
  ),
});
export type EnrolmentPolicyView = Static<typeof EnrolmentPolicyView>;
