/** A fake server, a repository on it, and time that runs faster than ours. */
import type { WriteMemory } from '../../../../src/adapters/nfs/file/write-memory.ts';
import { OpenFiles } from '../../../../src/adapters/nfs/questions.ts';
import type { Time } from '../../../../src/adapters/nfs/rpc/time.ts';
import { nfsSettings } from '../../../../src/adapters/nfs/settings.ts';
import { NfsVolumeData } from '../../../../src/adapters/nfs/volume-data.ts';
import { deadline } from '../../../../src/base/index.ts';
import type { BlockDevice } from '../../../../src/block/index.ts';
import { ArrayError, BlockError } from '../../../../src/errors/index.ts';
import type { Connection } from '../../../../src/repositories/index.ts';
import { FakeNfsServer } from '../../../support/nfs-fake-server.ts';

/** Twenty seconds pass in one. */
const SPEED = 20;

const FAST_TIME: Time = {
  now: () => performance.now() * SPEED,
  after: (milliseconds, run) => deadline(milliseconds / SPEED, run).cancel,
};

export const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

export class NfsBench {
  readonly server = new FakeNfsServer();
  readonly lost: string[] = [];
  readonly #openFiles = new OpenFiles();
  readonly #open: { close?(): Promise<void> }[] = [];

  async start(): Promise<this> {
    await this.server.listen();
    return this;
  }

  connection(more: Connection['settings'] = {}): Connection {
    const { port } = this.server;
    const settings = {
      server: '127.0.0.1',
      serverpath: '/fake',
      port,
      mountPort: port,
      patience: 100,
      reservedPort: false,
      ...more,
    };
    return { repositoryId: 'r1', settings, secrets: {}, initiatorName: 'iqn.test:one' };
  }

  data(more: Connection['settings'] = {}, memory?: WriteMemory): NfsVolumeData {
    const log = { ...QUIET, error: (_: object, message: string) => this.lost.push(message) };
    const data = new NfsVolumeData({
      settings: nfsSettings(this.connection(more).settings),
      time: FAST_TIME,
      random: Math.random,
      log,
      ask: async (question) => this.#openFiles.answer(question),
      ...(memory === undefined ? {} : { memory }),
    });
    this.#open.unshift(data);
    return data;
  }

  /** A volume of the server's with this content. */
  async device(
    content: Buffer,
    more: Connection['settings'] = {},
    memory?: WriteMemory,
  ): Promise<BlockDevice> {
    const name = `v${this.server.files.size}.volume`;
    this.server.add(name, Buffer.from(content));
    const locator = { adapter: 'nfs', volume: name, address: { path: name } };
    const device = await this.data(more, memory).open(locator, { write: true });
    this.#open.unshift(device);
    return device;
  }

  async stop(): Promise<void> {
    for (const each of this.#open.splice(0)) await each.close?.().catch(() => undefined);
    await this.server.close();
  }
}

export async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof ArrayError) return error.code;
    if (error instanceof BlockError) return error.errno;
    throw error;
  }
  return 'settled';
}

export function filled(length: number, start = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 7 + start) & 0xff;
  return bytes;
}
