/**
 * Lets many callers share one expensive step: at most one runs and at most one is queued, and the
 * queued one serves everybody who asked while the other ran. A caller's promise settles with a step
 * that began after it asked.
 */
export class GroupCommit {
  readonly #step: () => Promise<void>;
  #running: Promise<void> | undefined;
  #queued: Promise<void> | undefined;

  constructor(step: () => Promise<void>) {
    this.#step = step;
  }

  request(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#queued ??= this.#running.then(
      () => this.#startQueued(),
      () => this.#startQueued(), // that failure was reported to those who shared it
    );
    return this.#queued;
  }

  #startQueued(): Promise<void> {
    this.#queued = undefined;
    return this.#start();
  }

  #start(): Promise<void> {
    const running = this.#step();
    this.#running = running;
    const over = (): void => {
      // With a step queued the settled one stays until #startQueued replaces it, so that whoever asks
      // in between joins the queued step instead of starting a second one beside it.
      if (this.#queued === undefined) this.#running = undefined;
    };
    running.then(over, over);
    return running;
  }
}
