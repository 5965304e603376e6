/**
 * A result that is either here already or on its way.
 *
 * The data path answers most requests from memory. A promise for each of those would cost more than
 * the answer (docs/ARCHITECTURE.md, "What a request costs"), so a device returns a promise only when
 * it really waits for something.
 */
export type MaybePromise<T> = T | Promise<T>;

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return value instanceof Promise;
}

/** Runs `next` on the value: at once where it is here, in a microtask where it is not. */
export function chain<T, U>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<U>,
): MaybePromise<U> {
  return isPromise(value) ? value.then(next) : next(value);
}
