/** A value as it came in, before anything is known of the type that it should have. */
export type WireValue =
  | string
  | boolean
  /** `<int>`, `<i4>`, `<i8>`, `<double>`; any number of JSON. Finite; beyond 2^53 it is no longer exact. */
  | number
  /** `<nil/>`, JSON's null. */
  | null
  | WireDateTime
  | readonly WireValue[]
  | WireStruct;

/** Of names that came twice the last counts. Never a plain object: the names are the client's. */
export type WireStruct = ReadonlyMap<string, WireValue>;

/** `<dateTime.iso8601>`; JSON sends dates as texts. */
export class WireDateTime {
  /** As it came. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a client asks for. */
export interface RpcCall {
  readonly method: string;
  readonly parameters: readonly WireValue[];
}
