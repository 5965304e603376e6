import { Fault } from '../../errors/index.ts';
import type { EnrolmentTemplate } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { EnrolmentPolicyInput, EnrolmentPolicyView } from '../schemas/enrolment.ts';
import { parseNamePattern } from '../values/name-pattern.ts';
import { findCollection } from './find.ts';
import { newSettings, settingsView } from './settings.ts';

export function showEnrolmentPolicy(control: Control): EnrolmentPolicyView {
  const template = control.catalog.enrolments.template();
  if (template === undefined) return { mode: 'wait', template: null };
  const { vdisks, collections } = control.catalog;
  const { collectionId } = template;
  const collection = collectionId === undefined ? undefined : collections.byId(collectionId);
  const settings = settingsView(
    'template',
    template.settings,
    collection?.settings,
    (id) => vdisks.byId(id)?.name ?? id,
  );
  return {
    mode: 'template',
    template: {
      vdisk: settings.vdisk.value ?? '',
      namePattern: template.namePattern,
      collection: collection?.name ?? null,
      cacheMode: settings.cacheMode.value,
      quotaBytes: settings.quota.value,
      settings,
    },
  };
}

/** @throws Fault INVALID_INPUT, NOT_FOUND (the vDisk, the collection) */
export function setEnrolmentPolicy(
  control: Control,
  input: EnrolmentPolicyInput,
): EnrolmentPolicyView {
  return control.change((record) => {
    control.catalog.enrolments.setTemplate(templateOf(control, input));
    const view = showEnrolmentPolicy(control);
    const { template } = view;
    record({
      kind: 'enrolment.policy-changed',
      subject: 'enrolment',
      message:
        template === null
          ? 'unknown machines wait for approval'
          : `unknown machines boot from ${template.vdisk} as ${template.namePattern}`,
      data: { ...input },
    });
    return view;
  });
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
  const { catalog } = control;
  const { namePattern, collection, ...given } = template;
  const settings = newSettings(catalog, given, 'template');
  const inherited =
    collection === undefined
      ? undefined
      : findCollection(catalog, collection, 'template.collection');
  if (settings.vdiskId === undefined && inherited?.settings.vdiskId === undefined) {
    throw new Fault('INVALID_INPUT', 'neither the template nor its collection has a vDisk', {
      field: 'template.vdisk',
      value: null,
      expected: 'the name of a vDisk (rootcast vdisk list)',
    });
  }
  return {
    namePattern: parseNamePattern(namePattern, 'template.namePattern'),
    collectionId: inherited?.id,
    settings,
  };
}
