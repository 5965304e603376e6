import { describe, expect, it } from 'vitest';
import { Objects } from '../../../../src/xenapi/objects/objects.ts';
import { NULL_REF, refOf, uuidOf } from '../../../../src/xenapi/objects/refs.ts';
import { BOOK, SHELF } from '../support.ts';

const OWN = { kind: 'own', id: '' } as const;
const SHELF_1 = refOf('Shelf', '1');
const BOOK_1 = refOf('Book', '1');

function library(): Objects {
  const objects = new Objects([SHELF, BOOK], 100);
  objects.put('Shelf', SHELF_1, shelf('1'), OWN);
  return objects;
}

function shelf(id: string, name = '') {
  return { uuid: uuidOf('Shelf', id), name_label: name, tags: [], other_config: new Map() };
}

function book(id: string, on: string) {
  return { uuid: uuidOf('Book', id), shelf: on, pages: 7, cover: 'soft' };
}

describe('the database of objects', () => {
  it('finds an object by its ref and by its uuid', () => {
    const objects = library();
    expect(objects.require(SHELF, SHELF_1).name_label).toBe('');
    expect(objects.byUuid('Shelf', uuidOf('Shelf', '1'))).toBe(SHELF_1);
    expect(objects.refOfEither('Shelf', uuidOf('Shelf', '1'))).toBe(SHELF_1);
    expect(objects.classOf(SHELF_1)).toBe('Shelf');
    expect(objects.classOf(NULL_REF)).toBeUndefined();
  });

  it('names the class and the ref of an object that is not there', () => {
    const objects = library();
    expect(() => objects.require(BOOK, BOOK_1)).toThrow(`HANDLE_INVALID, Book, ${BOOK_1}`);
    expect(() => objects.refOfEither('Book', 'x')).toThrow('HANDLE_INVALID, Book, x');
  });

  it('says who refers to an object, and tells of it when that changes', () => {
    const objects = library();
    const before = objects.generation;
    objects.put('Book', BOOK_1, book('1', SHELF_1), OWN);
    expect(objects.require(SHELF, SHELF_1).books).toEqual([BOOK_1]);
    expect([...objects.since(before)].map(({ ref }) => ref)).toEqual([BOOK_1, SHELF_1]);
    objects.put('Book', BOOK_1, book('1', NULL_REF), OWN);
    expect(objects.require(SHELF, SHELF_1).books).toEqual([]);
    objects.put('Book', BOOK_1, book('1', SHELF_1), OWN);
    objects.delete('Book', BOOK_1);
    expect(objects.require(SHELF, SHELF_1).books).toEqual([]);
  });

  it('knows who refers to an object that comes later', () => {
    const objects = new Objects([SHELF, BOOK], 100);
    objects.put('Book', BOOK_1, book('1', SHELF_1), OWN);
    objects.put('Shelf', SHELF_1, shelf('1'), OWN);
    expect(objects.require(SHELF, SHELF_1).books).toEqual([BOOK_1]);
  });

  it('knows who refers to an object that is gone', () => {
    const objects = library();
    objects.put('Book', BOOK_1, book('1', SHELF_1), OWN);
    objects.delete('Shelf', SHELF_1);
    expect(objects.referrers('Shelf', SHELF_1, 'books')).toEqual([BOOK_1]);
    objects.delete('Book', BOOK_1);
    expect(objects.referrers('Shelf', SHELF_1, 'books')).toEqual([]);
  });

  it('tells nothing of a record that is put as it was', () => {
    const objects = library();
    const before = objects.generation;
    objects.put('Shelf', SHELF_1, shelf('1'), OWN);
    expect(objects.generation).toBe(before);
    objects.put('Shelf', SHELF_1, { ...shelf('1'), other_config: new Map([['a', 'b']]) }, OWN);
    expect(objects.generation).toBeGreaterThan(before);
  });

  it('completes a record when it is read, and again after it was touched', () => {
    const objects = library();
    let tag = 'a';
    objects.completeWith('Shelf', (_ref, record) => ({ ...record, tags: [tag] }));
    objects.touch('Shelf', SHELF_1);
    expect(objects.require(SHELF, SHELF_1).tags).toEqual(['a']);
    tag = 'b';
    expect(objects.require(SHELF, SHELF_1).tags).toEqual(['a']);
    expect(objects.touch('Shelf', SHELF_1)).toBe(true);
    expect(objects.require(SHELF, SHELF_1).tags).toEqual(['b']);
    expect(objects.touch('Book', BOOK_1)).toBe(false);
  });

  it('shows what was put without completing it', () => {
    const objects = library();
    let completed = 0;
    objects.completeWith('Shelf', (_ref, record) => {
      completed++;
      return { ...record, name_label: 'completed' };
    });
    expect(objects.stored('Shelf', SHELF_1)).toEqual(shelf('1'));
    expect(objects.stored('Shelf', refOf('Shelf', '2'))).toBeUndefined();
    expect(completed).toBe(0);
    expect(objects.find('Shelf', SHELF_1)).toMatchObject({ name_label: 'completed' });
    expect(objects.stored('Shelf', SHELF_1)).toEqual(shelf('1'));
  });

  it('follows a uuid that changes', () => {
    const objects = library();
    objects.put('Shelf', SHELF_1, { ...shelf('1'), uuid: 'other' }, OWN);
    expect(objects.byUuid('Shelf', 'other')).toBe(SHELF_1);
    expect(objects.byUuid('Shelf', uuidOf('Shelf', '1'))).toBeUndefined();
    objects.delete('Shelf', SHELF_1);
    expect(objects.byUuid('Shelf', 'other')).toBeUndefined();
  });

  it('settles what is due before each read', () => {
    const objects = library();
    let due = true;
    objects.beforeRead = () => {
      if (!due) return;
      due = false;
      objects.put('Book', BOOK_1, book('1', SHELF_1), OWN);
    };
    expect(objects.count('Book')).toBe(1);
  });
});

describe('refs', () => {
  it('are the same for the same object of the same class, and uuids of version 8', () => {
    expect(refOf('VDI', 'a')).toBe(refOf('VDI', 'a'));
    expect(refOf('VDI', 'a')).not.toBe(refOf('SR', 'a'));
    expect(refOf('VDI', 'a')).toMatch(
      /^OpaqueRef:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});
