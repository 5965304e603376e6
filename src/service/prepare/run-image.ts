/** `rootcast image …`: works on this host, without a service. */
import { parseArgs } from 'node:util';
import { prepareImage } from './prepare-image.ts';

const HELP = `Usage: rootcast image prepare [--install] [--json] [--quiet] IMAGE

Puts what a machine needs to boot over Rootcast into an image: a folder with a Debian system, or a raw or qcow2
file with one. Empties its machine-id, removes its host name and SSH host keys, makes its initramfs anew, and
says what it changed. Works on a copy: when something fails, the image is as it was. Needs root.

  --install   install packages that are missing (by the image's own apt); otherwise they are only named
  --json      print what was done as JSON
  --quiet     say nothing meanwhile
`;

/** @returns the exit code: 0 done, 2 wrong usage. @throws Fault what prepareImage throws */
export async function runImage(argv: readonly string[]): Promise<number> {
  const given = parse(argv);
  if (given === undefined) {
    process.stderr.write(HELP);
    return 2;
  }
  if (given.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { path, install, json, quiet } = given;
  const onStep = (step: string): void => {
    if (!quiet) process.stderr.write(`${step}\n`);
  };
  const prepared = await prepareImage({ path, install, onStep });
  const { changed, notes } = prepared;
  process.stdout.write(
    json
      ? `${JSON.stringify(prepared)}\n`
      : [
          ...(changed.length === 0 ? [`${path} was prepared already: nothing has changed`] : []),
          ...changed.map((line) => `changed: ${line}`),
          ...notes.map((line) => `note: ${line}`),
        ]
          .map((line) => `${line}\n`)
          .join(''),
  );
  return 0;
}

interface Given {
  readonly path: string;
  readonly install: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly help: boolean;
}

function parse(argv: readonly string[]): Given | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        install: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const [action, path, ...more] = positionals;
    if (values.help) return { ...values, path: '' };
    if (action !== 'prepare' || path === undefined || more.length > 0) return undefined;
    return { ...values, path };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return undefined;
  }
}
