/** Images for machines that do not boot from the network by themselves. */
import { Command } from 'commander';
import type { CliIo } from '../cli-io.ts';
import { openSession } from '../session.ts';
import { query, take } from '../stream-command.ts';
import { another } from './setting-options.ts';

interface CreateOptions {
  readonly out: string;
  readonly bootServer?: readonly string[];
  readonly address?: string;
  readonly gateway?: string;
  readonly overwrite?: boolean;
}

export function bootMediaCommand(io: CliIo): Command {
  const command = new Command('boot-media').description(
    'images for machines that do not boot from the network by themselves',
  );
  return command.addCommand(create(io));
}

function create(io: CliIo): Command {
  return new Command('create')
    .description('make an image for CD, DVD or USB that boots on BIOS and UEFI')
    .requiredOption('--out <path>', 'file to write on this machine, or - for standard output')
    .option(
      '--boot-server <address>',
      'the service, unless given; :PORT if not 8481; may be repeated',
      another,
    )
    .option('--address <address/bits>', 'of the one machine that it is for, without DHCP')
    .option('--gateway <address>', 'the way to the servers, with --address')
    .option('--overwrite', 'replace a file that is there')
    .action(async (options: CreateOptions, self: Command) => {
      const session = openSession(self, io);
      const { out: path, bootServer, address, gateway, overwrite = false } = options;
      const asked = `/boot-media${query({ servers: bootServer?.join(), address, gateway })}`;
      await take(session, { path, overwrite }, 'boot medium', (signal) =>
        session.streams.download(asked, signal),
      );
    });
}
