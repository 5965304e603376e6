/**
 * Fields that say who refers to an object (SR.VDIs: all VDIs whose field SR is that SR). Nobody writes them: they
 * follow from the fields that refer.
 */
import type { ClassDescription, Ref } from '../datamodel/description.ts';
import { isNullRef } from './refs.ts';

interface Reversal {
  /** The class that refers, and its field. */
  readonly of: string;
  readonly field: string;
  /** The class that is referred to, and its field that says by whom. */
  readonly to: string;
  readonly name: string;
}

export class ReverseFields {
  /** By the class that refers. */
  readonly #from = new Map<string, Reversal[]>();
  /** By the class that is referred to. */
  readonly #to = new Map<string, Reversal[]>();
  readonly #referrers = new Map<Reversal, Map<Ref, Set<Ref>>>();

  constructor(classes: readonly ClassDescription[]) {
    for (const { name: to, fields } of classes) {
      for (const [name, { reverse }] of Object.entries(fields)) {
        if (reverse === undefined) continue;
        const reversal = { ...reverse, to, name };
        this.#from.set(reverse.of, [...(this.#from.get(reverse.of) ?? []), reversal]);
        this.#to.set(to, [...(this.#to.get(to) ?? []), reversal]);
        this.#referrers.set(reversal, new Map());
      }
    }
  }

  /** An object is there, has changed (before and after) or is gone. @returns who is referred to otherwise now */
  moved(
    className: string,
    ref: Ref,
    before: Readonly<Record<string, unknown>> | undefined,
    after: Readonly<Record<string, unknown>> | undefined,
  ): readonly { readonly className: string; readonly ref: Ref }[] {
    const touched: { className: string; ref: Ref }[] = [];
    for (const reversal of this.#from.get(className) ?? []) {
      const was = target(before, reversal.field);
      const is = target(after, reversal.field);
      if (was === is) continue;
      const referrers = this.#referrers.get(reversal);
      if (was !== undefined) {
        const of = referrers?.get(was);
        of?.delete(ref);
        if (of?.size === 0) referrers?.delete(was);
        touched.push({ className: reversal.to, ref: was });
      }
      if (is !== undefined) {
        const of = referrers?.get(is) ?? new Set();
        referrers?.set(is, of.add(ref));
        touched.push({ className: reversal.to, ref: is });
      }
    }
    return touched;
  }

  /** The fields of an object that say who refers to it. */
  of(className: string, ref: Ref): Readonly<Record<string, readonly Ref[]>> {
    const fields: Record<string, readonly Ref[]> = {};
    for (const reversal of this.#to.get(className) ?? []) {
      fields[reversal.name] = [...(this.#referrers.get(reversal)?.get(ref) ?? [])];
    }
    return fields;
  }
}

function target(record: Readonly<Record<string, unknown>> | undefined, field: string) {
  const value = record?.[field];
  return typeof value === 'string' && !isNullRef(value) ? value : undefined;
}
