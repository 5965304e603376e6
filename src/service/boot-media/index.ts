/** Boot media of this service: they name its own boot server unless others are asked for. */
import { open } from 'node:fs/promises';
import type { BootMedia, BootMediumRequest, OutgoingStream } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import { MAX_MEDIUM_SERVERS, type MediumServer } from '../../pxe/index.ts';
import { buildMedium } from './build-medium.ts';
import { DEFAULT_BOOT_HTTP_PORT } from './limits.ts';

export class ServiceBootMedia implements BootMedia {
  #own: MediumServer | undefined;

  /** Known once its boot HTTP server listens. */
  setOwnServer(server: MediumServer): void {
    this.#own = server;
  }

  async build(
    { servers, network }: BootMediumRequest,
    signal: AbortSignal,
  ): Promise<OutgoingStream> {
    const options = { servers: this.#servers(servers), network };
    // Small enough to be read whole, and then there is nothing left to clean up.
    const content = await buildMedium(options, signal, async (path) => {
      await using file = await open(path, 'r');
      return file.readFile();
    });
    const pieces = (async function* (): AsyncGenerator<Buffer> {
      yield content;
    })();
    return { length: content.length, pieces, close: async () => {} };
  }

  #servers(asked: readonly string[]): readonly MediumServer[] {
    if (asked.length > MAX_MEDIUM_SERVERS) {
      throw new Fault('INVALID_INPUT', 'a boot medium tries so many servers at most', {
        field: 'servers',
        value: asked.length,
        expected: `${MAX_MEDIUM_SERVERS} or fewer`,
      });
    }
    if (asked.length > 0) return asked.map(serverOf);
    if (this.#own !== undefined) return [this.#own];
    throw new Fault('UNAVAILABLE', 'this service boots no machines: pxe.address is not set', {
      field: 'servers',
      expected: 'the address of a boot server (--boot-server), or a service that has pxe.address',
    });
  }
}

function serverOf(text: string): MediumServer {
  const [host = '', port] = text.split(':');
  const number = port === undefined ? DEFAULT_BOOT_HTTP_PORT : Number(port);
  if (number >= 1 && number <= 65_535) return { host, port: number };
  throw new Fault('INVALID_INPUT', `${text}: there is no such port`, {
    field: 'servers',
    value: text,
    expected: 'ADDRESS or ADDRESS:PORT',
  });
}
