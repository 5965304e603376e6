/**
 * How the targets are told apart: by colour and, where lines cross, by dashes. The colours keep their
 * distance for readers with a red or green weakness too, and stand out from the page (contrast above 3) in
 * the light and in the dark; labels say it again in words everywhere.
 */

/** Grey is the last: it stands for nothing, and no hue is left that everybody could tell apart. */
const LIGHT = [
  '#1f6fd1',
  '#fe3504',
  '#239958',
  '#5900b3',
  '#ad71a4',
  '#454d00',
  '#773f63',
  '#430942',
  '#7d8590',
] as const;

const DARK = [
  '#5aa2f5',
  '#c3380f',
  '#879d57',
  '#a345d5',
  '#e88bac',
  '#fff300',
  '#fead33',
  '#18e7ff',
  '#8f98a3',
] as const;

const DASHES = [undefined, '7 3', '2 3', '8 3 2 3'] as const;

/** A target beyond the last colour gets the first again, with other dashes. */
export function dashOf(series: number): string | undefined {
  return DASHES[(series + Math.floor(series / LIGHT.length)) % DASHES.length];
}

export const seriesClass = (series: number): string => `s s${series}`;

const variables = (colours: readonly string[]): string =>
  colours.map((colour, index) => `--c${index}:${colour}`).join(';');

export const LIGHT_COLOURS = variables(LIGHT);
export const DARK_COLOURS = variables(DARK);

/** Each series takes its colour, and its lines and marks step back when the reader hides it. */
export function seriesStyle(count: number): string {
  return Array.from({ length: count }, (_, series) =>
    [
      `.s${series}{--c:var(--c${series % LIGHT.length})}`,
      `.hide-${series} svg .s${series}{opacity:.12}`,
      `.hide-${series} svg .s${series}:has(.line){display:none}`,
    ].join('\n'),
  ).join('\n');
}
