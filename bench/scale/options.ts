/** The flags of `node bench/scale/main.ts`. */
import { parseArgs } from 'node:util';
import { wholeNumber } from '../whole-number.ts';
import { DISTRIBUTIONS, type DistributionId } from './distributions.ts';

export interface Options {
  readonly machines: number;
  /** Of the vDisk, in bytes. */
  readonly diskBytes: number;
  /** Share of each disk that counts as written. */
  readonly written: number;
  readonly distributions: readonly DistributionId[];
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly help: boolean;
}

export const HELP = `node bench/scale/main.ts [options]

Many machines of one large sparse vDisk: what their overlays cost in memory, and how fast they open.

  --machines N      machines (1000)
  --disk-gib N      size of the vDisk in GiB (100)
  --written S       share of each disk that counts as written (0.02)
  --only A,B        only these distributions: ${DISTRIBUTIONS.map(({ id }) => id).join(', ')}
  --json FILE       the figures as JSON
  --markdown FILE   the table as Markdown
  --help
`;

/** @throws Error with a sentence for the user */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      machines: { type: 'string', default: '1000' },
      'disk-gib': { type: 'string', default: '100' },
      written: { type: 'string', default: '0.02' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      markdown: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const only = values.only.split(',').filter((id) => id !== '');
  const unknown = only.find((id) => !DISTRIBUTIONS.some((each) => each.id === id));
  if (unknown !== undefined) throw new Error(`--only: no '${unknown}'`);
  const written = Number(values.written);
  if (!(written > 0 && written <= 0.5)) throw new Error('--written takes a share up to 0.5');
  return {
    machines: wholeNumber('machines', values.machines),
    diskBytes: wholeNumber('disk-gib', values['disk-gib']) * 2 ** 30,
    written,
    distributions: DISTRIBUTIONS.map(({ id }) => id).filter(
      (id) => only.length === 0 || only.includes(id),
    ),
    json: values.json,
    markdown: values.markdown,
    help: values.help,
  };
}
