/** The flags of `npm run bench`. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly rounds: number;
  /** Per cell that is measured by time. */
  readonly seconds: number;
  /** How long a cell waits for a quiet machine, in seconds; 0 takes the machine as it is. */
  readonly patience: number;
  readonly imageBytes: number;
  /** The area that the write workloads touch. */
  readonly writeBytes: number;
  /** Ids of targets and workloads; empty: all. Targets and workloads are narrowed separately. */
  readonly only: readonly string[];
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  /** Leave with 1 when a bar is missed. */
  readonly strict: boolean;
  readonly help: boolean;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const MIB = 2 ** 20;

export const HELP = `npm run bench -- [options]

Server CPU per request of Rootcast and its peers, in interleaved rounds with fresh servers.

  --quick            one round, one second a cell, a small image (a check that it works, not a verdict)
  --rounds N         rounds (5)
  --seconds N        measured seconds of each read cell (3)
  --patience N       seconds that a cell waits for a quiet machine (20); 0: nor is it measured again
  --image-mib N      size of the shared image in MiB (512)
  --write-mib N      area that the write workloads touch, in MiB (256)
  --only A,B,…       only these targets and/or workloads (ids as in the table)
  --json FILE        every cell, the conditions and the verdicts as JSON
  --markdown FILE    the tables as Markdown
  --strict           leave with exit code 1 when a bar is missed
  --help
`;

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || text.trim() === '') {
    throw new UsageError(`--${name} takes a whole number from ${least}, not '${text}'`);
  }
  return value;
}

const positive = (name: string, text: string): number => wholeNumber(name, text, 1);

/**
 * @param known every id that --only may name
 * @throws UsageError with a sentence for the user
 */
export function parseOptions(args: readonly string[], known: readonly string[]): Options {
  const { values } = readArguments(args);
  const quick = values.quick === true;
  const imageMib = positive('image-mib', values['image-mib'] ?? (quick ? '128' : '512'));
  const writeMib = positive('write-mib', values['write-mib'] ?? (quick ? '32' : '256'));
  if (writeMib > imageMib) throw new UsageError('--write-mib must not be more than --image-mib');
  const only = (values.only ?? '').split(',').filter((id) => id !== '');
  for (const id of only) {
    if (!known.includes(id))
      throw new UsageError(`--only: no '${id}'; there are ${known.join(', ')}`);
  }
  return {
    rounds: positive('rounds', values.rounds ?? (quick ? '1' : '5')),
    seconds: positive('seconds', values.seconds ?? (quick ? '1' : '3')),
    patience: wholeNumber('patience', values.patience ?? (quick ? '0' : '20'), 0),
    imageBytes: imageMib * MIB,
    writeBytes: writeMib * MIB,
    only,
    json: values.json,
    markdown: values.markdown,
    strict: values.strict === true,
    help: values.help === true,
  };
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        patience: { type: 'string' },
        'image-mib': { type: 'string' },
        'write-mib': { type: 'string' },
        only: { type: 'string' },
        json: { type: 'string' },
        markdown: { type: 'string' },
        strict: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Keeps what --only names, or everything when it names nothing of this kind. */
export function narrow<T extends { readonly id: string }>(
  all: readonly T[],
  only: readonly string[],
): T[] {
  const named = all.filter(({ id }) => only.includes(id));
  return named.length === 0 ? [...all] : named;
}
