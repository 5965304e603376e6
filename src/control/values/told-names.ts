/** So many names are told in a sentence; the others are counted. */
const NAMES_TOLD = 5;

/** `pc-1, pc-2 and 3 more` */
export function toldNames(names: readonly string[]): string {
  const more = names.length - NAMES_TOLD;
  return names.slice(0, NAMES_TOLD).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
