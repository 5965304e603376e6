/**
 * The catalog's rows of XenAPI objects, by class and field: what a client has set, for objects of the control
 * plane and for those that only XenAPI has.
 */
import type { Catalog } from '../../control/index.ts';
import type { ClassDescription } from '../datamodel/description.ts';
import { storedFields, toStored } from './stored-fields.ts';

export interface KeptObject {
  /** Of the control plane's object, or its own. */
  readonly id: string;
  /** Chosen by a client; undefined: it follows from the id. */
  readonly uuid: string | undefined;
  /** Those that were set, as values of the datamodel. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export class KeptObjects {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** undefined: nothing is kept of it. */
  get(description: ClassDescription, id: string): KeptObject | undefined {
    const row = this.#catalog.xenObjects.get(description.name, id);
    return row && { id, uuid: row.uuid, fields: storedFields(description, row.fields) };
  }

  all(description: ClassDescription): readonly KeptObject[] {
    return this.#catalog.xenObjects.all(description.name).map(({ id, uuid, fields }) => ({
      id,
      uuid,
      fields: storedFields(description, fields),
    }));
  }

  /** Sets those fields, and keeps the others. @throws Fault LIMIT_EXCEEDED: too much of it */
  set(
    description: ClassDescription,
    id: string,
    fields: Readonly<Record<string, unknown>>,
    uuid?: string,
  ): void {
    const { name: className } = description;
    this.#catalog.transaction(() => {
      const row = this.#catalog.xenObjects.get(className, id);
      const stored: Record<string, unknown> = { ...row?.fields };
      for (const [name, value] of Object.entries(fields)) {
        const field = description.fields[name];
        if (field !== undefined) stored[name] = toStored(field.type, value);
      }
      const kept = uuid ?? row?.uuid;
      this.#catalog.xenObjects.put({ class: className, id, uuid: kept, fields: stored });
    });
  }

  delete(description: ClassDescription, id: string): void {
    this.#catalog.xenObjects.delete(description.name, id);
  }
}
