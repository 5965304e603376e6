import { Fault } from '../../errors/index.ts';
import type { EnrolmentTemplate } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { EnrolmentPolicyInput, EnrolmentPolicyView } from '../schemas/enrolment.ts';
import { parseNamePattern } from '../values/name-pattern.ts';
import { parseQuota } from '../values/quota.ts';
import { findVdisk } from './find.ts';

export function showEnrolmentPolicy(control: Control): EnrolmentPolicyView {
  const template = control.catalog.enrolments.template();
  if (template === undefined) return { mode: 'wait', template: null };
  return {
    mode: 'template',
    template: {
      vdisk: control.catalog.vdisks.byId(template.vdiskId)?.name ?? template.vdiskId,
      namePattern: template.namePattern,
      cacheMode: template.cacheMode,
      quotaBytes: template.quotaBytes ?? null,
    },
  };
}

/** @throws Fault INVALID_INPUT, NOT_FOUND (the vDisk) */
export function setEnrolmentPolicy(
  control: Control,
  input: EnrolmentPolicyInput,
): EnrolmentPolicyView {
  control.change((record) => {
    const template = templateOf(control, input);
    control.catalog.enrolments.setTemplate(template);
    record({
      kind: 'enrolment.policy-changed',
      subject: 'enrolment',
      message:
        input.template === undefined
          ? 'unknown machines wait for approval'
          : `unknown machines boot from ${input.template.vdisk} as ${input.template.namePattern}`,
    });
  });
  return showEnrolmentPolicy(control);
}

function templateOf(control: Control, input: EnrolmentPolicyInput): EnrolmentTemplate | undefined {
  const { mode, template } = input;
  if ((mode === 'template') !== (template !== undefined)) {
    throw new Fault('INVALID_INPUT', `policy ${mode} and its template do not fit`, {
      field: 'template',
      value: template ?? null,
      expected: "a template with mode 'template', none with mode 'wait'",
    });
  }
  if (template === undefined) return undefined;
  return {
    vdiskId: findVdisk(control.catalog, template.vdisk, 'template.vdisk').id,
    collectionId: undefined,
    namePattern: parseNamePattern(template.namePattern, 'template.namePattern'),
    cacheMode: template.cacheMode ?? 'server',
    quotaBytes: parseQuota(template.quota ?? null, 'template.quota'),
  };
}
