/** A message as it can be called: one that a class describes, or one that follows from its fields. */
import type { Call, Stranger } from '../call.ts';
import type { ApiType, Role } from '../datamodel/description.ts';

/** What a message is carried out with: of one that needs no session it has the address only. */
export type AnyCall = Call & Stranger;

/** The parameters of a call, by name. */
export type Given = Readonly<Record<string, unknown>>;

export interface EntryParameter {
  readonly name: string;
  readonly type: ApiType;
  /** undefined: it must be given. */
  readonly byDefault: { readonly value: unknown } | undefined;
}

export interface Entry {
  readonly className: string;
  /** Without the class. */
  readonly name: string;
  readonly parameters: readonly EntryParameter[];
  readonly result: ApiType;
  readonly role: Role;
  readonly doc: string;
  readonly hasAsync: boolean;
  readonly needsSession: boolean;
  readonly isHidden: boolean;
  readonly run: (call: AnyCall, given: Given) => unknown;
}

export const needed = (name: string, type: ApiType): EntryParameter => ({
  name,
  type,
  byDefault: undefined,
});
