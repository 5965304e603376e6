/** Labels of SRs, and the names of their repositories that are made of them. */
import { shortDescription, updateRepository } from '../../../control/index.ts';
import type { Ref } from '../../datamodel/description.ts';
import { SR } from '../../datamodel/sr.ts';
import type { Xen } from '../../xen.ts';
import { repositoryName } from './make-repository.ts';
import { storedSr } from './stored-sr.ts';

/** @throws XenError SR_OPERATION_NOT_SUPPORTED; Fault LIMIT_EXCEEDED: much too long */
export function rename(xen: Xen, sr: Ref, label: string): void {
  const { id, repository } = storedSr(xen, sr);
  const { control, kept } = xen;
  control.catalog.transaction(() => {
    kept.set(SR, id, { name_label: label });
    if (repository === undefined) return;
    const name = repositoryName(xen, label, id);
    if (name !== repository.name) updateRepository(control, repository.name, { name });
  });
}

export function describe(xen: Xen, sr: Ref, text: string): void {
  const { id, repository } = storedSr(xen, sr);
  const { control, kept } = xen;
  control.catalog.transaction(() => {
    kept.set(SR, id, { name_description: text });
    const description = shortDescription(text);
    if (repository === undefined || repository.description === description) return;
    updateRepository(control, repository.name, { description });
  });
}
