/** `rootcast bench record TARGET`: writes down what a live machine asks of its disk. */
import { isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { CliError, EXIT_REFUSED } from '../../src/cli/cli-error.ts';
import type { CliIo } from '../../src/cli/index.ts';
import { connectNbd, nbdDevice } from '../../src/nbd/index.ts';
import { REPOSITORY_PREFIX } from '../load/open-disk.ts';
import { usageError } from '../options.ts';
import { Recorder } from '../record/recorder.ts';
import { resolveNamed } from '../targets/named.ts';

interface RecordFlags {
  readonly listen: { readonly host: string; readonly port: number };
  readonly output: string;
  readonly data?: string;
}

/** `HOST:PORT`, `[::1]:PORT`. */
export function hostAndPort(text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535 || (bracketed !== undefined && !isIPv6(bracketed))) {
    throw new InvalidArgumentError('It takes HOST:PORT, such as 0.0.0.0:10809.');
  }
  return { host, port };
}

export function recordCommand(io: CliIo): Command {
  return new Command('record')
    .description('record what a live machine asks of its disk, to replay it (bench run --trace)')
    .argument('<target>', 'the disk: an NBD URI, machine/NAME or vdisk/NAME')
    .requiredOption('--listen <host:port>', 'where the machine is pointed at instead', hostAndPort)
    .requiredOption('--output <file>', 'the trace: one request a line, with its think time')
    .option('--data <dir>', 'data folder of the Rootcast that machine/ and vdisk/ are of (./data)')
    .action(async (target: string, flags: RecordFlags) => {
      await record(target, flags, io);
    });
}

async function record(target: string, flags: RecordFlags, io: CliIo): Promise<void> {
  const { listen, output } = flags;
  if (target.startsWith(REPOSITORY_PREFIX)) {
    throw usageError(
      `${target} serves no machine: record takes an NBD URI, machine/ or vdisk/NAME`,
    );
  }
  const uri = (await resolveNamed(target, { data: flags.data })).uri(0);
  // Nobody is there, or no such export: better said now than to the machine.
  await (await connectNbd(uri)).disconnect();
  const controller = new AbortController();
  const stopListening = io.onInterrupt(() => controller.abort());
  const path = resolve(io.cwd, output);
  const { recorder, address } = await Recorder.start({
    ...listen,
    output: path,
    connect: async () => nbdDevice(await connectNbd(uri)),
  }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT_REFUSED, `cannot record to ${path}: ${reason}`, { cause: error });
  });
  const port = address !== undefined && 'port' in address ? address.port : listen.port;
  io.stderr(
    `recording ${uri} at nbd://${listen.host}:${port}/ until the machine leaves (or Ctrl-C)\n`,
  );
  try {
    await recorder.untilLeft(controller.signal);
  } finally {
    stopListening();
    const { requests, others } = await recorder.stop();
    const left = others === 0 ? '' : ` (${others} trims and zeroings passed on, not recorded)`;
    io.stdout(`${requests} requests recorded in ${path}${left}\n`);
  }
}
