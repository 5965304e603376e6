/** Which bytes of a read have arrived: sorted, disjoint, merged ranges. Almost always a single one. */
export class Coverage {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  /** Adds [start, end); false when part of it is there already. */
  add(start: number, end: number): boolean {
    const starts = this.#starts;
    const ends = this.#ends;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] ?? 0) < start) low = middle + 1;
      else high = middle;
    }
    const previousEnd = ends[low - 1];
    const nextStart = starts[low];
    if (previousEnd !== undefined && previousEnd > start) return false;
    if (nextStart !== undefined && nextStart < end) return false;
    const joinsPrevious = previousEnd === start;
    const joinsNext = nextStart === end;
    if (joinsPrevious && joinsNext) {
      ends[low - 1] = ends[low] ?? end;
      starts.splice(low, 1);
      ends.splice(low, 1);
    } else if (joinsPrevious) ends[low - 1] = end;
    else if (joinsNext) starts[low] = start;
    else {
      starts.splice(low, 0, start);
      ends.splice(low, 0, end);
    }
    return true;
  }

  /** Whether [0, length) is there completely. */
  covers(length: number): boolean {
    return length === 0 || (this.#starts[0] === 0 && this.#ends[0] === length);
  }
}
