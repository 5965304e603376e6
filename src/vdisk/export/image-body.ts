/**
 * A format as one pass over a disk: a head of known size, and the body behind it, which is written from
 * front to back. What is in the head is known when the body is: a file gets it last; a stream needs a plan,
 * which is the head that the body will come to.
 */
export interface ImageBody {
  /** Known before anything was read. */
  readonly headBytes: number;
  /** The body in order; what is yielded does not change any more, and is not to be written to. Once. */
  pieces(): AsyncGenerator<Buffer, void>;
  /** The head. Only when `pieces` has come to its end. */
  head(): Buffer;
}

export interface ImagePlan {
  readonly head: Buffer;
  /** Bytes of the file, the head included. */
  readonly length: number;
  /** The body that belongs to the head, as often as it is asked for. */
  readonly body: () => ImageBody;
}
