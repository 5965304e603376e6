/**
 * What is known of an SR or a PBD beside what its fields say, in the same row.
 *
 * introduced (SR): a client said that it is there, and no repository stands behind it yet.
 * destroyed (SR): an empty one that SR.destroy has ended. Its storage still has the mark that it was one; it counts as empty.
 * destroyed (PBD): its repository is known still, and detached; nothing says any more where it is.
 */
import type { Xen } from '../xen.ts';

export type Fact = 'introduced' | 'destroyed';
type FactClass = 'SR' | 'PBD';

export function hasFact(
  { control: { catalog } }: Pick<Xen, 'control'>,
  className: FactClass,
  id: string,
  fact: Fact,
): boolean {
  return catalog.xenObjects.get(className, id)?.fields[fact] === true;
}

export function setFact(
  { control: { catalog } }: Pick<Xen, 'control'>,
  className: FactClass,
  id: string,
  fact: Fact,
  isSo: boolean,
): void {
  catalog.transaction(() => {
    const row = catalog.xenObjects.get(className, id);
    const { [fact]: was, ...fields } = row?.fields ?? {};
    if ((was === true) === isSo) return;
    const kept = isSo ? { ...fields, [fact]: true } : fields;
    catalog.xenObjects.put({ class: className, id, uuid: row?.uuid, fields: kept });
  });
}

/** Ids of all that it is said of. */
export function withFact(
  { control: { catalog } }: Pick<Xen, 'control'>,
  className: FactClass,
  fact: Fact,
): readonly string[] {
  const rows = catalog.xenObjects.all(className);
  return rows.filter(({ fields }) => fields[fact] === true).map(({ id }) => id);
}
