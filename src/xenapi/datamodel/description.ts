/**
 * The language in which the datamodel is written: what a class has for fields and messages, of which types, with
 * which defaults, for whom. Dispatch, validation, `get_all_records`, the wires and the documentation all follow from
 * it, and so do the types that the implementations are checked against: no list is written twice.
 *
 * Names are XenAPI's, spelled as on the wire.
 */
import type { XenRole } from '../../control/index.ts';

/** Of a user: the catalog keeps it. */
export type Role = XenRole;

/** `int` has 64 bits on the wire, `int32` a tag of its own in XML-RPC. */
export type Scalar = 'string' | 'int' | 'int32' | 'float' | 'bool' | 'datetime' | 'void';

export interface RefType {
  readonly kind: 'ref';
  /** Of the object; `*`: of any class. */
  readonly of: string;
}

export interface EnumType<V extends string = string> {
  readonly kind: 'enum';
  /** As XenAPI calls the enumeration. */
  readonly name: string;
  readonly values: readonly V[];
}

export interface SetType<T extends ApiType = ApiType> {
  readonly kind: 'set';
  readonly of: T;
}

/** Its keys are texts, whatever they stand for. */
export interface MapType<K extends ApiType = ApiType, V extends ApiType = ApiType> {
  readonly kind: 'map';
  readonly key: K;
  readonly value: V;
}

/** A struct by value. */
export interface RecordType<M extends Members = Members> {
  readonly kind: 'record';
  readonly name: string;
  readonly members: M;
}

/** A member of a struct that is left out when it has no value. */
export interface OptionType<T extends ApiType = ApiType> {
  readonly kind: 'option';
  readonly of: T;
}

/** A value that says of which type it is: the record in an event, of whatever class that is about. */
export interface AnyType {
  readonly kind: 'any';
}

/** What a value of AnyType is in our code. */
export interface TypedValue {
  readonly type: ApiType;
  readonly value: unknown;
}

export type Members = { readonly [name: string]: ApiType };

export type ApiType =
  | Scalar
  | RefType
  | EnumType
  | SetType
  | MapType
  | RecordType
  | OptionType
  | AnyType;

/** `OpaqueRef:…` */
export type Ref = string;

interface ScalarValues {
  readonly string: string;
  /** A safe integer. */
  readonly int: number;
  readonly int32: number;
  readonly float: number;
  readonly bool: boolean;
  /** Milliseconds since the epoch. */
  readonly datetime: number;
  readonly void: undefined;
}

/** What a value of an API type is in our code; of a type that is not known here: `unknown`. */
export type ValueOf<T> = ApiType extends T
  ? unknown
  : T extends Scalar
    ? ScalarValues[T]
    : T extends RefType
      ? Ref
      : T extends EnumType<infer V>
        ? V
        : T extends SetType<infer E>
          ? readonly ValueOf<E>[]
          : T extends MapType<ApiType, infer V>
            ? ReadonlyMap<string, ValueOf<V>>
            : T extends RecordType<infer M>
              ? { readonly [N in keyof M]: ValueOf<M[N]> }
              : T extends OptionType<infer O>
                ? ValueOf<O> | undefined
                : T extends AnyType
                  ? TypedValue
                  : never;

export const ref = (of: string): RefType => ({ kind: 'ref', of });
export const oneOf = <const V extends string>(name: string, values: readonly V[]): EnumType<V> => ({
  kind: 'enum',
  name,
  values,
});
export const set = <const T extends ApiType>(of: T): SetType<T> => ({ kind: 'set', of });
export const map = <const K extends ApiType, const V extends ApiType>(
  key: K,
  value: V,
): MapType<K, V> => ({ kind: 'map', key, value });
export const record = <const M extends Members>(name: string, members: M): RecordType<M> => ({
  kind: 'record',
  name,
  members,
});
export const option = <const T extends ApiType>(of: T): OptionType<T> => ({ kind: 'option', of });

/** Of an answer only: nobody can send one. */
export const ANY: AnyType = { kind: 'any' };

/** `map(string → string)`, the commonest of all. */
export const STRING_MAP = map('string', 'string');

/**
 * dynamic: only the server changes it; static: given when the object is made, and by messages of its own
 * afterwards; rw: it has a setter, and those that go with sets and maps.
 */
export type Access = 'dynamic' | 'static' | 'rw';

export interface Field<T extends ApiType = ApiType, A extends Access = Access> {
  readonly type: T;
  readonly access: A;
  readonly doc: string;
  /** What an object has that was made without it; undefined: it must be given, or is always known. */
  readonly byDefault?: unknown;
  /** Who may set it (rw); the object's own role unless said. */
  readonly role?: Role;
  /** A set of those objects of `of` whose field `field` is this one: the database keeps it. */
  readonly reverse?: { readonly of: string; readonly field: string };
  readonly deprecated?: boolean;
}

export interface Parameter<T extends ApiType = ApiType> {
  readonly type: T;
  readonly doc: string;
  /** It can be left out, with all that follow. */
  readonly byDefault?: unknown;
}

export type Parameters = { readonly [name: string]: Parameter };

export interface Message {
  /** In the order in which they are sent, the session not among them. */
  readonly parameters: Parameters;
  readonly result: ApiType;
  readonly role: Role;
  readonly doc: string;
  /** Codes that callers should expect. */
  readonly errors?: readonly string[];
  /** false: there is no `Async.` form. */
  readonly async?: boolean;
  /** false: it needs no session. */
  readonly session?: boolean;
  /** true: it works, but is not listed. */
  readonly hidden?: boolean;
  readonly deprecated?: boolean;
}

export type Fields = { readonly [name: string]: Field };
export type Messages = { readonly [name: string]: Message };

export interface ClassDescription {
  readonly name: string;
  readonly doc: string;
  readonly fields: Fields;
  readonly messages: Messages;
  /** Who may set its rw fields, unless they say. */
  readonly role: Role;
  /** Who may read it; `read-only` unless said. */
  readonly readRole?: Role;
  /** false: nobody is told of its changes. */
  readonly events?: boolean;
  /** false: no `get_all`, `get_all_records`. */
  readonly listed?: boolean;
  /** Who may `create` one of a struct of its fields; undefined: it has no constructor. */
  readonly create?: Role;
  /** Who may `destroy` one. */
  readonly destroy?: Role;
}

/** Of the type that it is for. */
interface Default<T> {
  readonly byDefault?: ValueOf<T>;
}

export const field = <const T extends ApiType, const A extends Access>(
  type: T,
  access: A,
  doc: string,
  more: Omit<Field, 'type' | 'access' | 'doc' | 'byDefault'> & Default<T> = {},
): Field<T, A> => ({ type, access, doc, ...more });

export const parameter = <const T extends ApiType>(
  type: T,
  doc: string,
  more: Default<T> = {},
): Parameter<T> => ({ type, doc, ...more });

/** Keeps what it is given as narrow as it is written. */
export const message = <const D extends Message>(description: D): D => description;

/** Keeps what it is given as narrow as it is written. */
export const describeClass = <const D extends ClassDescription>(description: D): D => description;

/** A whole record of a class. */
export type RecordOf<C extends ClassDescription> = {
  readonly [N in keyof C['fields']]: ValueOf<C['fields'][N]['type']>;
};

/** What its constructor is given: nothing that is dynamic; what was left out has its default. */
export type ConstructorOf<C extends ClassDescription> = {
  readonly [N in keyof C['fields'] as C['fields'][N]['access'] extends 'dynamic'
    ? never
    : N]: ValueOf<C['fields'][N]['type']>;
};

/** The parameters of a message, by name. */
export type ArgumentsOf<M extends Message> = {
  readonly [N in keyof M['parameters']]: ValueOf<M['parameters'][N]['type']>;
};
// biome-ignore lint/suspicious/noConfusingVoidType: it is what a function returns
type Nothing = void;

export type ResultOf<M extends Message> = M['result'] extends 'void'
  ? Nothing
  : ValueOf<M['result']>;
