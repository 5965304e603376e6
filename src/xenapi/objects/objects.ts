/**
 * The database of XenAPI: every object, as a record of its class's fields. It is a picture of what the control
 * plane knows (projections/ keep it), and is lost and made again with the process.
 *
 * Reads settle first what is due (`beforeRead`): who has just changed something sees it.
 */
import type { ClassDescription, RecordOf, Ref } from '../datamodel/description.ts';
import { xenError } from '../xen-error.ts';
import { type Change, ChangeLog } from './change-log.ts';
import { isSame } from './equal.ts';
import { isNullRef } from './refs.ts';
import { ReverseFields } from './reverse-fields.ts';

export type AnyRecord = Readonly<Record<string, unknown>>;

/** What an object stands for. `own`: nothing of the control plane; the id is that of its catalog row, if it has one. */
export interface Origin {
  readonly kind:
    | 'repository'
    | 'volume'
    | 'snapshot'
    | 'vdisk'
    | 'version'
    | 'machine'
    | 'host'
    | 'own';
  readonly id: string;
}

interface Entry {
  readonly ref: Ref;
  /** Without what follows from others. */
  base: AnyRecord;
  origin: Origin;
  /** As it is read; undefined: to be made when it is. */
  whole: AnyRecord | undefined;
}

/** Fills in what follows from the state of other things (allowed_operations …). */
export type Complete = (ref: Ref, record: AnyRecord) => AnyRecord;

interface Table {
  readonly description: ClassDescription;
  readonly entries: Map<Ref, Entry>;
  readonly byUuid: Map<string, Ref>;
  complete: Complete;
}

export class Objects {
  readonly #tables = new Map<string, Table>();
  readonly #reverse: ReverseFields;
  readonly #log: ChangeLog;
  readonly #listeners = new Set<() => void>();
  #beforeRead: () => void = () => undefined;

  /** @param first see ChangeLog */
  constructor(classes: readonly ClassDescription[], first: number) {
    this.#reverse = new ReverseFields(classes);
    this.#log = new ChangeLog(first);
    for (const description of classes) {
      this.#tables.set(description.name, {
        description,
        entries: new Map(),
        byUuid: new Map(),
        complete: (_ref, record) => record,
      });
    }
  }

  // Writing

  /** Nothing is told when it is as before. Fields that others refer by are not given. */
  put(className: string, ref: Ref, base: AnyRecord, origin: Origin): void {
    const table = this.#table(className);
    const entry = table.entries.get(ref);
    if (entry !== undefined) entry.origin = origin;
    if (entry !== undefined && isSame(entry.base, base)) return;
    const before = entry?.base;
    if (entry === undefined) table.entries.set(ref, { ref, base, origin, whole: undefined });
    else Object.assign(entry, { base, whole: undefined });
    if (typeof before?.['uuid'] === 'string') table.byUuid.delete(before['uuid']);
    if (typeof base['uuid'] === 'string') table.byUuid.set(base['uuid'], ref);
    this.#note(table, ref, false);
    this.#moved(className, ref, before, base);
  }

  /** Of what is not there: nothing happens. */
  delete(className: string, ref: Ref): void {
    const table = this.#table(className);
    const entry = table.entries.get(ref);
    if (entry === undefined) return;
    table.entries.delete(ref);
    const { uuid } = entry.base as { readonly uuid?: string };
    if (uuid !== undefined && table.byUuid.get(uuid) === ref) table.byUuid.delete(uuid);
    this.#note(table, ref, true);
    this.#moved(className, ref, entry.base, undefined);
  }

  /** What its completion depends on has changed, or somebody wants an event of it. @returns whether it is there */
  touch(className: string, ref: Ref): boolean {
    const table = this.#table(className);
    const entry = table.entries.get(ref);
    if (entry === undefined) return false;
    entry.whole = undefined;
    this.#note(table, ref, false);
    return true;
  }

  /** How records of a class are completed when they are read. Touch those whose completion changes. */
  completeWith(className: string, complete: Complete): void {
    this.#table(className).complete = complete;
  }

  /** Called before each read. */
  set beforeRead(settle: () => void) {
    this.#beforeRead = settle;
  }

  // Reading

  /** @throws XenError HANDLE_INVALID */
  require<C extends ClassDescription>(description: C, ref: Ref): RecordOf<C> {
    return this.requireAny(description.name, ref) as RecordOf<C>;
  }

  /** @throws XenError HANDLE_INVALID */
  requireAny(className: string, ref: Ref): AnyRecord {
    const record = this.find(className, ref);
    if (record === undefined) throw xenError('HANDLE_INVALID', className, ref);
    return record;
  }

  find(className: string, ref: Ref): AnyRecord | undefined {
    const table = this.#settled(className);
    const entry = table.entries.get(ref);
    return entry === undefined ? undefined : this.#whole(table, entry);
  }

  /** As it was put, and nothing is completed for it: of many objects a field that follows from nothing else. */
  stored(className: string, ref: Ref): AnyRecord | undefined {
    return this.#settled(className).entries.get(ref)?.base;
  }

  /** @throws XenError HANDLE_INVALID */
  origin(className: string, ref: Ref): Origin {
    const entry = this.#settled(className).entries.get(ref);
    if (entry === undefined) throw xenError('HANDLE_INVALID', className, ref);
    return entry.origin;
  }

  /** undefined: no such object. */
  byUuid(className: string, uuid: string): Ref | undefined {
    return this.#settled(className).byUuid.get(uuid);
  }

  /** A ref or a uuid, as the HTTP handlers take both. @throws XenError HANDLE_INVALID */
  refOfEither(className: string, refOrUuid: string): Ref {
    const { entries, byUuid } = this.#settled(className);
    const ref = entries.has(refOrUuid) ? refOrUuid : byUuid.get(refOrUuid);
    if (ref === undefined) throw xenError('HANDLE_INVALID', className, refOrUuid);
    return ref;
  }

  refs(className: string): readonly Ref[] {
    return [...this.#settled(className).entries.keys()];
  }

  /** All of a class, in the order in which they came. */
  *all<C extends ClassDescription>(description: C): Iterable<readonly [Ref, RecordOf<C>]> {
    for (const [ref, record] of this.allAny(description.name)) yield [ref, record as RecordOf<C>];
  }

  *allAny(className: string): Iterable<readonly [Ref, AnyRecord]> {
    const table = this.#settled(className);
    for (const entry of table.entries.values()) yield [entry.ref, this.#whole(table, entry)];
  }

  /** What one of the fields that others refer by says (`VBDs` of a VDI), also of an object that is not there (any more). */
  referrers(className: string, ref: Ref, field: string): readonly Ref[] {
    this.#beforeRead();
    return this.#reverse.of(className, ref)[field] ?? [];
  }

  count(className: string): number {
    return this.#settled(className).entries.size;
  }

  /** The class of a ref whose class the caller does not know; undefined: no such object, or a null ref. */
  classOf(ref: Ref): string | undefined {
    if (isNullRef(ref)) return undefined;
    this.#beforeRead();
    for (const [name, { entries }] of this.#tables) if (entries.has(ref)) return name;
    return undefined;
  }

  /** Whether objects of that class are kept here. */
  has(className: string): boolean {
    return this.#tables.has(className);
  }

  classes(): readonly ClassDescription[] {
    return [...this.#tables.values()].map(({ description }) => description);
  }

  // Changes

  get generation(): number {
    this.#beforeRead();
    return this.#log.generation;
  }

  isLost(generation: number): boolean {
    return this.#log.isLost(generation);
  }

  /** See ChangeLog. 0: everything that is there. */
  since(generation: number): Iterable<Change> {
    this.#beforeRead();
    return this.#log.since(generation);
  }

  /** Called after each change, synchronously: it must not change anything itself. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #note({ description }: Table, ref: Ref, deleted: boolean): void {
    if (description.events === false) return;
    this.#log.note(description.name, ref, deleted);
    for (const listener of this.#listeners) listener();
  }

  #moved(
    className: string,
    ref: Ref,
    before: AnyRecord | undefined,
    after: AnyRecord | undefined,
  ): void {
    for (const other of this.#reverse.moved(className, ref, before, after)) {
      this.touch(other.className, other.ref);
    }
  }

  #whole(table: Table, entry: Entry): AnyRecord {
    entry.whole ??= table.complete(entry.ref, {
      ...entry.base,
      ...this.#reverse.of(table.description.name, entry.ref),
    });
    return entry.whole;
  }

  #settled(className: string): Table {
    this.#beforeRead();
    return this.#table(className);
  }

  #table(className: string): Table {
    const table = this.#tables.get(className);
    if (table === undefined) throw new Error(`the datamodel has no class ${className}`);
    return table;
  }
}
