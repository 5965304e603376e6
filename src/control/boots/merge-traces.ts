/**
 * What several boots of one content read first, as one order. Pure. A unit that at least half of the boots
 * touched is in it; its place is the median of the places that it had, as parts of each boot.
 */
export function mergeTraces(boots: readonly Uint32Array[]): Uint32Array {
  const places = new Map<number, number[]>();
  for (const units of boots) {
    for (const [at, unit] of units.entries()) {
      const place = at / units.length;
      const known = places.get(unit);
      if (known === undefined) places.set(unit, [place]);
      else known.push(place);
    }
  }
  const least = Math.ceil(boots.length / 2);
  const kept: { readonly unit: number; readonly place: number }[] = [];
  for (const [unit, ofUnit] of places) {
    if (ofUnit.length >= least) kept.push({ unit, place: median(ofUnit) });
  }
  kept.sort((a, b) => a.place - b.place || a.unit - b.unit);
  return Uint32Array.from(kept, ({ unit }) => unit);
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  const middle = Math.floor(values.length / 2);
  const upper = values[middle] ?? 0;
  return values.length % 2 === 1 ? upper : ((values[middle - 1] ?? 0) + upper) / 2;
}
