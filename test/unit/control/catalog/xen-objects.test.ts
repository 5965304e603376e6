import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS, migrate } from '../../../../src/control/catalog/migrations.ts';
import { type Catalog, openCatalog } from '../../../../src/control/index.ts';
import { MAX_XEN_OBJECT_BYTES } from '../../../../src/control/limits.ts';

let catalog: Catalog;
beforeEach(() => {
  catalog = openCatalog(':memory:');
});
afterEach(() => catalog.close());

describe('what only XenAPI knows of an object', () => {
  it('is kept whole, and replaced whole', () => {
    const object = { class: 'VDI', id: 'v1', uuid: undefined, fields: { tags: ['a'], n: 1 } };
    catalog.xenObjects.put(object);
    expect(catalog.xenObjects.get('VDI', 'v1')).toEqual(object);
    catalog.xenObjects.put({ class: 'VDI', id: 'v1', uuid: 'u1', fields: { other: { b: 'c' } } });
    expect(catalog.xenObjects.get('VDI', 'v1')).toEqual({
      ...{ class: 'VDI', id: 'v1', uuid: 'u1', fields: { other: { b: 'c' } } },
    });
    expect(catalog.xenObjects.all('VDI')).toHaveLength(1);
  });

  it('is of its class and id, and found by the uuid that a client chose', () => {
    catalog.xenObjects.put({ class: 'VDI', id: 'x', uuid: 'u', fields: { a: 1 } });
    catalog.xenObjects.put({ class: 'SR', id: 'x', uuid: 'u', fields: { a: 2 } });
    catalog.xenObjects.put({ class: 'SR', id: 'b', fields: {} });
    expect(catalog.xenObjects.byUuid('VDI', 'u')?.fields).toEqual({ a: 1 });
    expect(catalog.xenObjects.byUuid('SR', 'u')?.fields).toEqual({ a: 2 });
    expect(catalog.xenObjects.byUuid('SR', 'b')).toBeUndefined();
    expect(catalog.xenObjects.all('SR').map(({ id }) => id)).toEqual(['b', 'x']);
    catalog.xenObjects.delete('SR', 'x');
    expect(catalog.xenObjects.get('SR', 'x')).toBeUndefined();
    expect(catalog.xenObjects.get('VDI', 'x')).toBeDefined();
  });

  it('keeps every name that a client may choose', () => {
    const names = ['__proto__', 'constructor', 'toString', '', 'é\u0000"'];
    const fields = Object.fromEntries(names.map((name, number) => [name, { number, [name]: '' }]));
    catalog.xenObjects.put({ class: 'VDI', id: 'v', fields: { ...fields, map: fields } });
    const kept = catalog.xenObjects.get('VDI', 'v')?.fields ?? {};
    expect(Object.keys(kept)).toEqual([...names, 'map']);
    expect(JSON.stringify(kept)).toBe(JSON.stringify({ ...fields, map: fields }));
    expect(Object.getPrototypeOf(kept)).toBe(Object.prototype);
  });

  it('refuses a uuid that another of the class has, and nothing changes', () => {
    catalog.xenObjects.put({ class: 'VDI', id: 'a', uuid: 'u', fields: { a: 1 } });
    catalog.xenObjects.put({ class: 'VDI', id: 'b', uuid: 'w', fields: { b: 1 } });
    expect(() =>
      catalog.xenObjects.put({ class: 'VDI', id: 'b', uuid: 'u', fields: { b: 2 } }),
    ).toThrow(
      expect.objectContaining({
        code: 'ALREADY_EXISTS',
        details: expect.objectContaining({ field: 'VDI.uuid', value: 'u' }),
      }),
    );
    expect(catalog.xenObjects.get('VDI', 'b')).toMatchObject({ uuid: 'w', fields: { b: 1 } });
  });

  it('refuses fields that are too long, and says which is', () => {
    const long = 'é'.repeat(MAX_XEN_OBJECT_BYTES / 2 - 100);
    const put = (other_config: string) =>
      catalog.xenObjects.put({ class: 'VDI', id: 'v', fields: { tags: [], other_config } });
    put(long);
    expect(() => put(`${long}${'é'.repeat(100)}`)).toThrow(
      expect.objectContaining({
        code: 'LIMIT_EXCEEDED',
        details: expect.objectContaining({ field: 'VDI.other_config' }),
      }),
    );
    expect(catalog.xenObjects.get('VDI', 'v')?.fields['other_config']).toBe(long);
  });
});

describe('a catalog of schema 11', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rootcast-catalog-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('has no XenAPI objects, and takes some', () => {
    const path = join(folder, 'catalog.sqlite');
    const old = new DatabaseSync(path);
    migrate(
      old,
      MIGRATIONS.filter(({ number }) => number <= 11),
    );
    old.close();
    const opened = openCatalog(path);
    expect(opened.xenObjects.all('VDI')).toEqual([]);
    opened.xenObjects.put({ class: 'VDI', id: 'v', fields: { a: 1 } });
    opened.close();
    const again = openCatalog(path);
    expect(again.xenObjects.get('VDI', 'v')?.fields).toEqual({ a: 1 });
    again.close();
  });
});
