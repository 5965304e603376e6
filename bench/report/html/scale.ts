/** From values to places on an axis, and where its ticks stand. */

export interface Scale {
  /** 0 … 1; what is outside is held at the border. */
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

const clamp = (share: number): number => Math.min(1, Math.max(0, share));

const STEPS = [1, 2, 2.5, 5, 10];

/** The least of 1, 2, 2.5, 5 times a power of ten that is not below `value`. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return (STEPS.find((step) => step * power >= value * 0.999_999) ?? 10) * power;
}

/** From 0 to a round number not below the largest value. */
export function linearScale(largest: number, parts = 4): Scale {
  const safe = Number.isFinite(largest) && largest > 0 ? largest : 1;
  const step = niceStep(safe / parts);
  const count = Math.ceil(safe / step - 1e-9);
  const end = step * count;
  return {
    place: (value) => clamp(value / end),
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
  };
}

/** Ticks between the decades when there are few of them. */
const WITHIN_DECADE = [1, 2, 5];
const MAX_TICKS = 6;

/** Logarithmic, from at most the least to at least the largest value; values must be above 0. */
export function logScale(least: number, largest: number): Scale {
  const low = Number.isFinite(least) && least > 0 ? least : 1;
  const high = Number.isFinite(largest) && largest > low ? largest : low * 10;
  const candidates: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    candidates.push(...WITHIN_DECADE.map((step) => step * 10 ** power));
  }
  const start = candidates.filter((tick) => tick <= low * 1.000_001).at(-1) ?? low;
  const end = candidates.find((tick) => tick >= high * 0.999_999) ?? high;
  const inside = candidates.filter((tick) => tick >= start && tick <= end);
  const decades = inside.filter((tick) =>
    Number.isInteger(Math.round(Math.log10(tick) * 1e9) / 1e9),
  );
  const span = Math.log(end / start);
  return {
    place: (value) => (value > 0 ? clamp(Math.log(value / start) / span) : 0),
    ticks: inside.length <= MAX_TICKS || decades.length < 2 ? inside : decades,
  };
}
