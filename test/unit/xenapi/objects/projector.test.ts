import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Catalog, openCatalog } from '../../../../src/control/index.ts';
import { Objects } from '../../../../src/xenapi/objects/objects.ts';
import { type Projection, Projector } from '../../../../src/xenapi/objects/projector.ts';
import { refOf } from '../../../../src/xenapi/objects/refs.ts';
import { BOOK, SHELF } from '../support.ts';

const IDS = Array.from({ length: 100 }, (_, index) => String(index).padStart(3, '0'));

let catalog: Catalog;
let objects: Objects;
let troubles: string[];
/** Rows of each transaction: they are told when it is committed. */
let committed: (readonly string[])[];

beforeEach(() => {
  catalog = openCatalog(':memory:');
  objects = new Objects([SHELF, BOOK], 1);
  troubles = [];
  committed = [];
});
afterEach(() => catalog.close());

/** Books are shown; what is kept of a book's place goes with it. */
class Library implements Projection {
  readonly tables = [];
  readonly classes = ['Book'];

  load(): void {
    for (const { id } of catalog.xenObjects.all('Place')) {
      if (catalog.xenObjects.get('Book', id) === undefined) this.keptChanged('Book', id);
    }
    for (const { id } of catalog.xenObjects.all('Book')) this.keptChanged('Book', id);
  }

  changed(): void {}

  keptChanged(_className: string, id: string): void {
    const ref = refOf('Book', id);
    if (catalog.xenObjects.get('Book', id) !== undefined) {
      const record = { uuid: id, shelf: '', pages: 1, cover: 'soft' };
      objects.put('Book', ref, record, { kind: 'own', id });
      return;
    }
    objects.delete('Book', ref);
    catalog.transaction(() => {
      if (id === '007') throw new Error('the place of 007 cannot be given up');
      catalog.xenObjects.delete('Place', id);
    });
  }
}

function open(): Projector {
  const projector = new Projector(catalog, objects, [new Library()], (error) =>
    troubles.push(String(error)),
  );
  catalog.onRowsChanged((changes) => committed.push(changes.map(({ id }) => id)));
  return projector;
}

function keep(className: string): void {
  catalog.transaction(() => {
    for (const id of IDS) catalog.xenObjects.put({ class: className, id, fields: {} });
  });
}

describe('what projections change themselves', () => {
  it('is one transaction for all rows that changed in one', () => {
    keep('Book');
    keep('Place');
    const projector = open();
    catalog.transaction(() => {
      for (const id of IDS) if (id !== '007') catalog.xenObjects.delete('Book', id);
    });
    expect(objects.count('Book')).toBe(1);
    const gone = IDS.filter((id) => id !== '007');
    expect(committed).toEqual([gone.map((id) => `Book/${id}`), gone.map((id) => `Place/${id}`)]);
    expect(troubles).toEqual([]);
    projector.close();
  });

  it('is done for the others when it fails for one', () => {
    keep('Book');
    keep('Place');
    const projector = open();
    catalog.transaction(() => {
      for (const id of IDS) catalog.xenObjects.delete('Book', id);
    });
    expect(objects.count('Book')).toBe(0);
    expect(catalog.xenObjects.all('Place').map(({ id }) => id)).toEqual(['007']);
    expect(troubles).toEqual(['Error: the place of 007 cannot be given up']);
    projector.close();
  });

  it('is one transaction at the start, too', () => {
    keep('Place');
    catalog.transaction(() => catalog.xenObjects.put({ class: 'Book', id: '007', fields: {} }));
    const told: number[] = [];
    const unfollow = catalog.onRowsChanged((changes) => told.push(changes.length));
    open().close();
    unfollow();
    expect(told).toEqual([IDS.length - 1]);
    expect(catalog.xenObjects.all('Place').map(({ id }) => id)).toEqual(['007']);
  });
});
