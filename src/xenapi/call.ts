/** One message under way, and what carries it out. */
import type {
  ApiType,
  ArgumentsOf,
  ClassDescription,
  ConstructorOf,
  Message,
  Ref,
  ResultOf,
  Role,
} from './datamodel/description.ts';

/** Who calls. */
export interface Caller {
  /** Of the session. A secret. */
  readonly session: Ref;
  readonly user: string;
  readonly role: Role;
}

export interface Call {
  readonly caller: Caller;
  /** The task that it is done in: of an `Async.` call the one that was answered with, else one that nobody sees. */
  readonly task: Ref;
  /** Aborted when the task is cancelled: the reason is XenError TASK_CANCELLED. */
  readonly signal: AbortSignal;
  /** @param fraction 0 … 1 */
  readonly progress: (fraction: number) => void;
  /** Aborted when the client goes away before it has its answer: who only waits need not any more. */
  readonly gone?: AbortSignal;
}

/** Of a call that needs no session. */
export interface Stranger {
  /** Where it comes from, for people. */
  readonly address: string;
}

export type Handler<M extends Message> = (
  call: M extends { readonly session: false } ? Stranger : Call,
  given: ArgumentsOf<M>,
) => ResultOf<M> | Promise<ResultOf<M>>;

/** What makes and unmakes objects of a class that has a constructor, a destructor. */
type Lifecycle<C extends ClassDescription> = (C extends { readonly create: Role }
  ? { create(call: Call, given: ConstructorOf<C>): Ref | Promise<Ref> }
  : unknown) &
  (C extends { readonly destroy: Role }
    ? { destroy(call: Call, given: { readonly self: Ref }): void | Promise<void> }
    : unknown);

/** One function for each message of a class. Refs that are given to it are those of objects that are there, or null. */
export type Handlers<C extends ClassDescription> = {
  readonly [N in keyof C['messages']]: Handler<C['messages'][N]>;
} & Lifecycle<C>;

export type AnyHandler = (call: never, given: never) => unknown;

/** A class with what carries out its messages. */
export interface Implementation {
  readonly description: ClassDescription;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
  /**
   * Sets a rw field of an object, whose class the database knows already to be right; undefined: it is kept in the
   * catalog's row of the object.
   */
  readonly setField: SetField | undefined;
  /** Reads a field or a record where the database does not have it. */
  readonly own?: OwnRecords;
}

export type SetField = (ref: Ref, field: string, value: unknown) => void;

/** Of a class that is not in the database (sessions). */
export interface OwnRecords {
  /** @throws XenError HANDLE_INVALID, PERMISSION_DENIED */
  record(caller: Caller, ref: Ref): Readonly<Record<string, unknown>>;
  refs(caller: Caller): readonly Ref[];
  byUuid(caller: Caller, uuid: string): Ref | undefined;
}

export function implement<C extends ClassDescription>(
  description: C,
  handlers: NoInfer<Handlers<C>>,
  more: { readonly setField?: SetField; readonly own?: OwnRecords } = {},
): Implementation {
  return {
    description,
    handlers: handlers as unknown as Readonly<Record<string, AnyHandler>>,
    setField: more.setField,
    ...(more.own === undefined ? {} : { own: more.own }),
  };
}

/** What a message has come to. */
export interface Answer {
  readonly type: ApiType;
  readonly value: unknown;
}
