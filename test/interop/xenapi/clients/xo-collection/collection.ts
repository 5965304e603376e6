/**
 * Items by key that tell of their changes: what `xen-api` keeps the objects of a pool in.
 * Events: `add`, `update`, `remove`, each with an object of the items by key.
 */
import { EventEmitter } from 'node:events';
import type { Index } from './by-property.ts';

type Change = 'add' | 'update' | 'remove';

export class Collection extends EventEmitter {
  /** By key; what was handed out goes on to show the items of now. */
  readonly all: Record<string, object> = Object.create(null);
  readonly #indexes = new Map<string, Index>();
  readonly #changed = new Map<string, { readonly change: Change; readonly item: object }>();
  #held = 0;

  get indexes(): Record<string, Record<string, Record<string, object>>> {
    return Object.fromEntries(
      [...this.#indexes].map(([name, index]) => [name, index.of(this.all)]),
    );
  }

  createIndex(name: string, index: Index): void {
    this.#indexes.set(name, index);
  }

  set(key: string, item: object): void {
    this.#tell(key, key in this.all ? 'update' : 'add', item);
    this.all[key] = item;
  }

  /** Nothing happens when the key is not there. */
  unset(key: string): void {
    const item = this.all[key];
    if (item === undefined) return;
    delete this.all[key];
    this.#tell(key, 'remove', item);
  }

  remove(key: string): void {
    if (!(key in this.all)) throw new Error(`no item ${key}`);
    this.unset(key);
  }

  /** Holds events back. @returns lets them go */
  bufferEvents(): () => void {
    this.#held += 1;
    return () => {
      this.#held -= 1;
      if (this.#held === 0) this.#flush();
    };
  }

  #tell(key: string, change: Change, item: object): void {
    const before = this.#changed.get(key)?.change;
    if (before === 'add' && change === 'remove') this.#changed.delete(key);
    else this.#changed.set(key, { change: before === 'add' ? 'add' : change, item });
    if (this.#held === 0) this.#flush();
  }

  #flush(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const change of ['add', 'update', 'remove'] as const) {
      const items = changed.filter(([, entry]) => entry.change === change);
      if (items.length === 0) continue;
      this.emit(change, Object.fromEntries(items.map(([key, { item }]) => [key, item])));
    }
  }
}
