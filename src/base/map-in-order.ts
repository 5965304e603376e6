/**
 * Works on items a bounded number at a time, and gives the results in the order of the items. Whoever
 * stops asking, or fails, is held until the work that has begun has settled.
 */
export async function* mapInOrder<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      result.catch(() => undefined); // looked at below; until then nobody else does
      begun.push(result);
      if (begun.length >= atOnce) yield await next(begun);
    }
    while (begun.length > 0) yield await next(begun);
  } finally {
    await Promise.allSettled(begun);
  }
}

function next<R>(begun: Promise<R>[]): Promise<R> {
  const first = begun.shift();
  if (first === undefined) throw new RangeError('nothing has begun');
  return first;
}
