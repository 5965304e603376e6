import type { Command } from 'commander';
import { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { StreamClient } from './stream-client.ts';
import { findTarget } from './target.ts';

/** What a command works with: the server, and where its result goes. */
export interface Session {
  readonly io: CliIo;
  readonly client: ApiClient;
  /** For what is too long to be answered at once. */
  readonly streams: StreamClient;
  readonly json: boolean;
  /** The result: `value` as JSON, or what `text` makes of it for people. */
  show<T>(value: T, text: (value: T) => string): void;
}

interface GlobalOptions {
  readonly server?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** @throws CliError EXIT_USAGE */
export function openSession(command: Command, io: CliIo): Session {
  const options = command.optsWithGlobals<GlobalOptions>();
  const { server, token } = findTarget(options, io);
  const json = options.json ?? false;
  return {
    io,
    client: new ApiClient(server, token, io),
    streams: new StreamClient(server, token, io.user),
    json,
    show(value, text) {
      io.stdout(json ? `${JSON.stringify(value, null, 2)}\n` : text(value));
    },
  };
}

/** A part of a path; names come from people. */
export function part(text: string): string {
  return encodeURIComponent(text);
}
