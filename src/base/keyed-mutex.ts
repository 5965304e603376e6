/** Runs tasks of the same key one after the other, in the order they were given. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** One of the key runs or waits. */
  isTaken(key: string): boolean {
    return this.#tails.has(key);
  }

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(task, task);
    const tail = result.catch(() => undefined);
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }
}
