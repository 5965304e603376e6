import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Fault } from '../../../errors/index.ts';
import { MAX_XEN_OBJECT_BYTES } from '../../limits.ts';
import { json, optionalText, type Row, text } from '../row.ts';
import type { XenObjectRecord } from './records.ts';

/** Nothing deletes a row together with what it stands for: who knows when an object ends does. */
export class XenObjectTable {
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #get: StatementSync;
  readonly #all: StatementSync;
  readonly #byUuid: StatementSync;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(`
      INSERT INTO xen_objects (class, id, uuid, fields) VALUES (?, ?, ?, ?)
      ON CONFLICT (class, id) DO UPDATE SET uuid = excluded.uuid, fields = excluded.fields`);
    this.#delete = database.prepare('DELETE FROM xen_objects WHERE class = ? AND id = ?');
    this.#get = database.prepare('SELECT * FROM xen_objects WHERE class = ? AND id = ?');
    this.#all = database.prepare('SELECT * FROM xen_objects WHERE class = ? ORDER BY id');
    this.#byUuid = database.prepare('SELECT * FROM xen_objects WHERE class = ? AND uuid = ?');
  }

  get(className: string, id: string): XenObjectRecord | undefined {
    const row = this.#get.get(className, id);
    return row === undefined ? undefined : record(row);
  }

  /** By id. */
  all(className: string): readonly XenObjectRecord[] {
    return this.#all.all(className).map(record);
  }

  /** Only of those that a client gave one: of the others the id is the uuid. */
  byUuid(className: string, uuid: string): XenObjectRecord | undefined {
    const row = this.#byUuid.get(className, uuid);
    return row === undefined ? undefined : record(row);
  }

  /**
   * In the place of the one that is there, whole.
   * @throws Fault ALREADY_EXISTS: another object of the class has this uuid; LIMIT_EXCEEDED: its fields are too long
   */
  put(object: Omit<XenObjectRecord, 'uuid'> & { readonly uuid?: string | undefined }): void {
    const { class: className, id, uuid, fields } = object;
    if (uuid !== undefined) this.#refuseTaken(className, id, uuid);
    this.#put.run(className, id, uuid ?? null, checkedText(className, fields));
  }

  delete(className: string, id: string): void {
    this.#delete.run(className, id);
  }

  #refuseTaken(className: string, id: string, uuid: string): void {
    const other = this.byUuid(className, uuid);
    if (other === undefined || other.id === id) return;
    throw new Fault('ALREADY_EXISTS', `there is another ${className} with the uuid ${uuid}`, {
      field: `${className}.uuid`,
      value: uuid,
      expected: 'a uuid that no other has',
    });
  }
}

function checkedText(className: string, fields: XenObjectRecord['fields']): string {
  const whole = JSON.stringify(fields);
  const bytes = Buffer.byteLength(whole);
  if (bytes <= MAX_XEN_OBJECT_BYTES) return whole;
  const sizes = Object.entries(fields).map(([name, value]) => ({
    name,
    bytes: Buffer.byteLength(JSON.stringify(value) ?? ''),
  }));
  const longest = sizes.reduce((a, b) => (b.bytes > a.bytes ? b : a));
  const limit = `at most ${MAX_XEN_OBJECT_BYTES} bytes of all fields together`;
  throw new Fault(
    'LIMIT_EXCEEDED',
    `the fields of this ${className} have ${bytes} bytes, ${longest.bytes} of them in ${longest.name}: ${limit}`,
    { field: `${className}.${longest.name}`, value: bytes, expected: limit },
  );
}

function record(row: Row): XenObjectRecord {
  return {
    class: text(row, 'class'),
    id: text(row, 'id'),
    uuid: optionalText(row, 'uuid'),
    fields: json(row, 'fields') as XenObjectRecord['fields'], // an object: we wrote it
  };
}
