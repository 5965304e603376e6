/** An index of a collection: its items by the value of one of their properties. */
export class Index {
  readonly #property: string;

  constructor(property: string) {
    this.#property = property;
  }

  /** @returns value of the property → key → item */
  of(items: Readonly<Record<string, object>>): Record<string, Record<string, object>> {
    const found: Record<string, Record<string, object>> = {};
    for (const [key, item] of Object.entries(items)) {
      const value = String(Reflect.get(item, this.#property));
      found[value] ??= {};
      found[value][key] = item;
    }
    return found;
  }
}
