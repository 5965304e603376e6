/** Texts that may be long, and say little in a sentence. */
const NOT_TOLD = new Set(['description', 'kernelArguments']);

/** What an update gives, for the sentence of its event: `class test, quota none, vdisk inherited`. */
export function toldChanges(fields: Readonly<Record<string, unknown>>): string {
  const { inherit, ...given } = fields;
  const told = Object.entries(given).map(([name, value]) => {
    if (NOT_TOLD.has(name)) return `${name} changed`;
    return `${name} ${value === null ? 'none' : String(value)}`;
  });
  if (Array.isArray(inherit)) told.push(...inherit.map((name) => `${String(name)} inherited`));
  return told.length === 0 ? 'nothing changed' : told.join(', ');
}
