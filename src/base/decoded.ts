/**
 * What a decoder of a wire protocol returns besides a message: the wish for more bytes, or a named violation.
 * Nothing here throws on what a peer sent.
 */
export interface NeedMore {
  readonly kind: 'need-more';
  /** How many bytes, counted from the start of the message, must be there before the next try. */
  readonly bytes: number;
}

/** The peer broke the protocol so that the stream, or the answer, cannot be trusted. */
export interface Violation<Name extends string> {
  readonly kind: 'violation';
  readonly violation: Name;
}

export function needMore(bytes: number): NeedMore {
  return { kind: 'need-more', bytes };
}

export function violation<Name extends string>(name: Name): Violation<Name> {
  return { kind: 'violation', violation: name };
}
