/** The flags of `node bench/catalog/main.ts`. */
import { parseArgs } from 'node:util';
import { wholeNumber } from '../whole-number.ts';

export interface Options {
  readonly machines: number;
  /** Of the one large vDisk. */
  readonly versions: number;
  readonly vdisks: number;
  /** Boots kept of each machine. */
  readonly boots: number;
  readonly rounds: number;
  readonly json: string | undefined;
  readonly help: boolean;
}

export const HELP = `node bench/catalog/main.ts [options]

What the lists and boots of a fleet cost the control plane, over the real catalog and ports that do nothing.

  --machines N   machines (1000)
  --versions N   versions of the vDisk that most of them boot (200)
  --vdisks N     vDisks (10)
  --boots N      boots kept of each machine (20)
  --rounds N     times each is done (25)
  --json FILE    the figures as JSON
  --help
`;

/** @throws Error with a sentence for the user */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      machines: { type: 'string', default: '1000' },
      versions: { type: 'string', default: '200' },
      vdisks: { type: 'string', default: '10' },
      boots: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '25' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    machines: wholeNumber('machines', values.machines),
    versions: wholeNumber('versions', values.versions),
    vdisks: wholeNumber('vdisks', values.vdisks),
    boots: wholeNumber('boots', values.boots),
    rounds: wholeNumber('rounds', values.rounds),
    json: values.json,
    help: values.help,
  };
}
