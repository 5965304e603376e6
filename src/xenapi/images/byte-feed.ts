/**
 * A body that comes in pieces of any size, read in the sizes that a format asks for. Holds one piece at most.
 * One caller at a time.
 */
import { endsEarly } from './image-fault.ts';

export class ByteFeed {
  readonly #pieces: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #position = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(pieces: AsyncIterable<Buffer>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  /**
   * What is there, up to `most` bytes, or the next that comes; undefined at the end. Valid until the next call.
   * @throws what the body throws
   */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#ended) return undefined;
      await this.#pull();
    }
    const taken = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(taken.length);
    this.#position += taken.length;
    return taken;
  }

  /**
   * Fills the target; what it returns is short only at the end of the body. A body that breaks off gives what came
   * before that first, and throws the next time.
   */
  async fill(target: Buffer): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const piece = await this.#someOrFailure(target.length - done, done > 0);
      if (piece === undefined) break;
      piece.copy(target, done);
      done += piece.length;
    }
    return done;
  }

  /** @param what for the message @throws Fault IMAGE_INVALID when there is less */
  async exactly(length: number, what: string): Promise<Buffer> {
    const target = Buffer.allocUnsafeSlow(length);
    await this.fillExactly(target, what);
    return target;
  }

  /** @throws Fault IMAGE_INVALID when there is less */
  async fillExactly(target: Buffer, what: string): Promise<void> {
    const done = await this.fill(target);
    if (done < target.length) throw await this.#short(what);
  }

  /** @throws Fault IMAGE_INVALID when there is less */
  async skip(length: number, what: string): Promise<void> {
    for (let left = length; left > 0; ) {
      const piece = await this.some(left);
      if (piece === undefined) throw endsEarly(this.#position, what);
      left -= piece.length;
    }
  }

  /** Reads up to the end of the body, and keeps nothing. */
  async drain(): Promise<void> {
    while ((await this.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  /** Nothing more is wanted. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#rest = Buffer.alloc(0);
    await this.#pieces.return?.();
  }

  async #someOrFailure(most: number, hasSome: boolean): Promise<Buffer | undefined> {
    try {
      return await this.some(most);
    } catch (error) {
      if (hasSome) return undefined; // kept in #failure for the next call
      throw error;
    }
  }

  async #pull(): Promise<void> {
    try {
      const { value, done } = await this.#pieces.next();
      if (done === true) this.#ended = true;
      else this.#rest = value;
    } catch (error) {
      this.#failure = { error };
    }
  }

  /** Whoever broke off says it better than the format that misses something. */
  async #short(what: string): Promise<unknown> {
    return this.#failure?.error ?? endsEarly(this.#position, what);
  }
}
