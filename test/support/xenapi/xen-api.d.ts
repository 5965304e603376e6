/** What of `xen-api` (4.7.6) the tests use. It comes without types. */
declare module 'xen-api' {
  import type { EventEmitter } from 'node:events';
  import type { Readable } from 'node:stream';

  /** A record with what xen-api adds to it; fields are as the server says. */
  export interface XenRecord {
    readonly $id: string;
    readonly $ref: string;
    readonly $type: string;
    // biome-ignore lint/suspicious/noExplicitAny: fields of every class
    readonly [field: string]: any;
  }

  export interface XapiOptions {
    readonly url: string;
    readonly auth: { readonly user: string; readonly password: string };
    readonly allowUnauthorized?: boolean;
    readonly transport?: 'auto' | 'json-rpc' | 'xml-rpc';
    readonly watchEvents?: boolean | readonly string[];
    readonly debounce?: number;
    readonly eventPollDelay?: number;
    readonly readOnly?: boolean;
    readonly syncStackTraces?: boolean;
  }

  type Cancelable<A extends readonly unknown[], R> = (
    ...args: A
  ) => Promise<R> & { cancel(reason?: string): void };

  export interface Transfer {
    readonly query?: Readonly<Record<string, string>>;
    /** A task's ref, or whether there is to be one; true when events are watched. */
    readonly task?: string | boolean;
  }

  export class Xapi extends EventEmitter {
    constructor(options: XapiOptions);
    readonly pool: XenRecord;
    readonly sessionId: string;
    readonly status: 'connected' | 'connecting' | 'disconnected';
    readonly objects: EventEmitter & {
      readonly all: Readonly<Record<string, XenRecord>>;
      readonly indexes: { readonly type: Readonly<Record<string, Record<string, XenRecord>>> };
    };
    readonly objectsFetched: Promise<void>;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    // biome-ignore lint/suspicious/noExplicitAny: what every method answers
    call(method: string, ...args: readonly unknown[]): Promise<any>;
    // biome-ignore lint/suspicious/noExplicitAny: what every method answers
    callAsync: Cancelable<readonly [string, ...unknown[]], any>;
    getAllRecords(type: string): Promise<XenRecord[]>;
    getRecord(type: string, ref: string): Promise<XenRecord>;
    getRecordByUuid(type: string, uuid: string): Promise<XenRecord>;
    // biome-ignore lint/suspicious/noExplicitAny: fields of every class
    getField(type: string, ref: string, field: string): Promise<any>;
    setField(type: string, ref: string, field: string, value: unknown): Promise<void>;
    setFieldEntry(
      type: string,
      ref: string,
      field: string,
      entry: string,
      value: string | null,
    ): Promise<void>;
    setFieldEntries(
      type: string,
      ref: string,
      field: string,
      entries: Readonly<Record<string, string | null>>,
    ): Promise<void>;
    getObject(idOrRef: string): XenRecord;
    barrier(): Promise<void>;
    barrier(ref: string): Promise<XenRecord>;
    createTask(name: string, description?: string): Promise<string>;
    // biome-ignore lint/suspicious/noExplicitAny: what every task answers
    watchTask(ref: string): Promise<any>;
    getResource: Cancelable<
      readonly [string, Transfer?],
      { readonly body: Readable; readonly headers: Readonly<Record<string, string>> }
    >;
    putResource: Cancelable<
      readonly [Buffer | (Readable & { length?: number }), string, Transfer?],
      // biome-ignore lint/suspicious/noExplicitAny: what every task answers
      any
    >;
  }
}
