/**
 * Keeps the database of objects a picture of the catalog. The catalog says which rows have changed; each projection
 * makes the objects of some tables anew. It is done when somebody reads, or in a later turn when somebody waits
 * for events, so that a hundred changes of one row are made a picture of once.
 *
 * What projections change in the catalog themselves (what was kept of objects that are gone) is one transaction for all
 * that is due: with one for each of 10,000 volumes that are forgotten together, each would wait for the disk.
 */
import type { Catalog } from '../../control/index.ts';
import type { Objects } from './objects.ts';

/** A table of the catalog whose rows objects are made of. */
export type FollowedTable = Parameters<Parameters<Catalog['onRowsChanged']>[0]>[0][number]['table'];

export interface Projection {
  readonly tables: readonly FollowedTable[];
  /** Classes whose kept fields (catalog.xenObjects) it uses: a change of one comes as a change of `xen_objects`. */
  readonly classes: readonly string[];
  /** Puts all of its objects. */
  load(): void;
  /** A row has changed, was made or is gone. */
  changed(table: FollowedTable, id: string): void;
  /** The kept fields of an object have. */
  keptChanged(className: string, id: string): void;
}

export class Projector {
  readonly #catalog: Catalog;
  readonly #projections: readonly Projection[];
  readonly #failed: (error: unknown) => void;
  /** `table/id` of what is due, in the order in which it changed. */
  #due = new Map<string, { readonly table: FollowedTable; readonly id: string }>();
  #isSettling = false;
  #isScheduled = false;
  readonly #unfollow: () => void;

  constructor(
    catalog: Catalog,
    objects: Objects,
    projections: readonly Projection[],
    failed: (error: unknown) => void,
  ) {
    this.#catalog = catalog;
    this.#projections = projections;
    this.#failed = failed;
    this.#unfollow = catalog.onRowsChanged((changes) => {
      for (const change of changes) this.#due.set(`${change.table}/${change.id}`, change);
      this.#schedule();
    });
    catalog.transaction(() => {
      for (const projection of projections) projection.load();
    });
    objects.beforeRead = () => this.settle();
  }

  close(): void {
    this.#unfollow();
    this.#due.clear(); // the catalog is closed soon
  }

  /** What is due is done. What a projection reads meanwhile is as it is. */
  settle(): void {
    if (this.#isSettling || this.#due.size === 0) return;
    this.#isSettling = true;
    try {
      // What a projection changes itself (rows of what is gone) is due then, too.
      while (this.#due.size > 0) {
        const due = this.#due;
        this.#due = new Map();
        this.#applyAll([...due.values()]);
      }
    } finally {
      this.#isSettling = false;
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.settle();
    });
  }

  #applyAll(due: readonly { readonly table: FollowedTable; readonly id: string }[]): void {
    try {
      this.#catalog.transaction(() => {
        for (const { table, id } of due) this.#apply(table, id);
      });
    } catch (error) {
      this.#failed(error); // the pictures are made; what was to go is there still, and goes at the next start
    }
  }

  #apply(table: FollowedTable, id: string): void {
    for (const projection of this.#projections) {
      try {
        if (table === 'xen_objects') {
          const [className = ''] = id.split('/', 1);
          if (!projection.classes.includes(className)) continue;
          projection.keptChanged(className, id.slice(className.length + 1));
        } else if (projection.tables.includes(table)) projection.changed(table, id);
      } catch (error) {
        this.#failed(error);
      }
    }
  }
}
