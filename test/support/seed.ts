/**
 * One seed for every random test of a run, printed with its failures. Replay with
 * `ROOTCAST_SEED=<n> npx vitest run <file>`.
 */
export const SEED: number = Number(process.env['ROOTCAST_SEED'] ?? Date.now() % 2 ** 31);

/** A small, fast, seedable generator (mulberry32); uniform in [0, 1). */
export function seededRandom(seed: number = SEED): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
