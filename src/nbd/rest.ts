/** Something that did not pay is left alone for a while, each time for twice as long. */
export class Rest {
  readonly #first: number;
  readonly #longest: number;
  #until = Number.NEGATIVE_INFINITY;
  #next: number;

  /** Milliseconds, the first time and at most. */
  constructor(first: number, longest: number) {
    this.#first = first;
    this.#longest = longest;
    this.#next = first;
  }

  begin(now: number): void {
    this.#until = now + this.#next;
    this.#next = Math.min(this.#next * 2, this.#longest);
  }

  isOver(now: number): boolean {
    return now >= this.#until;
  }

  /** It has paid: the next rest is a short one. */
  paid(): void {
    this.#next = this.#first;
  }

  /** It may be tried at once. */
  end(): void {
    this.#until = Number.NEGATIVE_INFINITY;
    this.paid();
  }
}
