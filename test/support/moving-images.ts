/** Services between which disks are moved, and what stands between them. */
import { readdirSync } from 'node:fs';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { connectNbd } from '../../src/nbd/client/index.ts';
import type { ServiceProcess } from './service-process.ts';

export interface VersionAnswer {
  readonly number: number;
  readonly state: string;
  readonly contentId: string;
  readonly parent: number | null;
  readonly depth: number;
  readonly ownBytes: number;
  readonly kernel: string | null;
  readonly inUse: boolean;
}

export interface VdiskAnswer {
  readonly name: string;
  readonly production: number | null;
  readonly versions: readonly VersionAnswer[];
}

export interface ReceivedAnswer {
  readonly vdisk: VdiskAnswer;
  readonly added: readonly number[];
  readonly present: readonly number[];
  readonly chunksReceived: number;
  readonly chunksLocal: number;
  readonly bytesReceived: number;
}

export interface TaskAnswer<T = unknown> {
  readonly kind: string;
  readonly subject: string;
  readonly state: string;
  readonly result: T;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export const showVdisk = (service: ServiceProcess, name: string): Promise<VdiskAnswer> =>
  service.json<VdiskAnswer>('vdisk', 'show', name);

/** The bytes of a version, as a machine gets them. */
export async function diskOf(service: ServiceProcess, exportName: string): Promise<Buffer> {
  const client = await connectNbd(service.uri(exportName));
  const bytes = Buffer.alloc(client.negotiated.size);
  await client.read(bytes, 0);
  await client.disconnect();
  return bytes;
}

/** A machine of its own writes a private version, which is then sealed. @returns its number */
export async function writeVersion(
  service: ServiceProcess,
  vdisk: string,
  write: (client: Awaited<ReturnType<typeof connectNbd>>) => Promise<void>,
): Promise<number> {
  const { number } = await service.json<VersionAnswer>('version', 'create', vdisk, '--private');
  const name = `writer-${number}`;
  const mac = `52:54:00:00:01:${number.toString(16).padStart(2, '0')}`;
  await service.json('machine', 'add', name, '--mac', mac, '--vdisk', vdisk);
  const client = await connectNbd(service.uri(`machine/${name}`));
  await write(client);
  await client.flush();
  await client.disconnect();
  await service.json('version', 'seal', vdisk, String(number));
  await service.json('machine', 'delete', name);
  return number;
}

/** All that a service has on its disk beside the catalog: volumes, layers, and what is on its way. */
export function contentsOf(service: ServiceProcess) {
  const list = (folder: string): string[] => readdirSync(join(service.data, folder)).sort();
  return { volumes: service.volumes().sort(), layers: list('layers'), uploads: list('uploads') };
}

/** A line between two servers, on which what passes is counted, and which may break. */
export class CountingLine {
  readonly #to: URL;
  readonly #server: Server;
  /** Hashes that were asked for, request by request. */
  readonly asked: number[] = [];
  readonly paths: string[] = [];
  /** Bytes of answers. */
  bytes = 0;
  /** Answers to requests for chunks break off after so many bytes; once each. */
  readonly breakAfter: number[] = [];

  private constructor(to: string) {
    this.#to = new URL(to);
    this.#server = createServer((request, response) => void this.#pass(request, response));
  }

  static async open(to: string): Promise<CountingLine> {
    const line = new CountingLine(to);
    await new Promise<void>((resolve) => line.#server.listen(0, '127.0.0.1', resolve));
    return line;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const path = request.url ?? '';
    this.paths.push(path);
    const isForChunks = path.startsWith('/v1/chunks');
    if (isForChunks) this.asked.push((body.length - 4) / 32);
    let left = (isForChunks ? this.breakAfter.shift() : undefined) ?? Number.POSITIVE_INFINITY;
    const onward = httpRequest(
      {
        ...{ host: this.#to.hostname, port: this.#to.port, agent: false },
        ...{ method: request.method, path, headers: request.headers },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on('data', (piece: Buffer) => {
          this.bytes += piece.length;
          response.write(piece.subarray(0, left));
          left -= piece.length;
          if (left <= 0) response.destroy();
        });
        answer.on('end', () => response.end());
      },
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end(body);
  }
}
