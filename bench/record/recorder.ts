/**
 * A proxy between a live machine and its disk that writes down what the machine asks: our NBD server
 * over our NBD client, one connection behind for each in front, so that what the machine asks for under
 * another export name, flushes and forces to disk means what it meant.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlockDevice } from '../../src/block/index.ts';
import type { ExportProvider } from '../../src/exports/index.ts';
import { createNbdServer, type ListenAddress, type NbdServer } from '../../src/nbd/index.ts';
import { LEAVE_GRACE_MS } from '../limits.ts';
import { formatTraceRequest } from '../trace.ts';
import { type Listener, RecordingDevice } from './recording-device.ts';

export interface Recorded {
  readonly requests: number;
  /** Trims and zeroings: passed on, but a trace has no words for them. */
  readonly others: number;
}

export interface RecorderOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Written anew. */
  readonly output: string;
  /** Opens the disk that is recorded, once for each connection. */
  connect(): Promise<BlockDevice>;
}

const LINES_AT_ONCE = 256;

export class Recorder implements Listener {
  readonly #options: RecorderOptions;
  readonly #file: number;
  readonly #server: NbdServer;
  #lines: string[] = [];
  #requests = 0;
  #others = 0;
  #connections = 0;
  #came = false;
  #wake: () => void = () => undefined;

  private constructor(options: RecorderOptions) {
    this.#options = options;
    this.#file = openSync(options.output, 'w');
    this.#server = createNbdServer({ exports: this.#provider() });
  }

  /** @throws Fault, as NbdServer.listen */
  static async start(
    options: RecorderOptions,
  ): Promise<{ recorder: Recorder; address: ListenAddress | undefined }> {
    const recorder = new Recorder(options);
    try {
      const { host, port } = options;
      return { recorder, address: await recorder.#server.listen({ host, port }) };
    } catch (error) {
      closeSync(recorder.#file);
      throw error;
    }
  }

  request(request: Parameters<Listener['request']>[0]): void {
    this.#requests += 1;
    this.#lines.push(formatTraceRequest(request));
    if (this.#lines.length >= LINES_AT_ONCE) this.#write();
  }

  other(): void {
    this.#others += 1;
  }

  /**
   * Until the machine has come and has left, or `signal` says so. A machine that comes back soon (a boot
   * loader hands over to a kernel) has not left.
   */
  async untilLeft(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake());
    while (!signal.aborted) {
      if (this.#came && this.#connections === 0) {
        const before = this.#requests;
        await sleep(LEAVE_GRACE_MS, undefined, { signal }).catch(() => undefined);
        if (this.#connections === 0 && this.#requests === before) return;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Answers what is under way, and closes the file. */
  async stop(): Promise<Recorded> {
    await this.#server.drain(LEAVE_GRACE_MS);
    this.#write();
    closeSync(this.#file);
    return { requests: this.#requests, others: this.#others };
  }

  #write(): void {
    writeSync(this.#file, this.#lines.join(''));
    this.#lines = [];
  }

  /** Whatever name the machine asks for is the recorded disk. */
  #provider(): ExportProvider {
    return {
      list: () => [{ name: '', description: 'recorded' }],
      open: async (name) => {
        const device = new RecordingDevice(await this.#options.connect(), this);
        this.#connections += 1;
        this.#came = true;
        this.#wake();
        let closed = false;
        return {
          name,
          description: 'recorded',
          device,
          readOnly: !device.capabilities.write,
          close: async () => {
            if (closed) return;
            closed = true;
            await device.close();
            this.#connections -= 1;
            this.#wake();
          },
        };
      },
    };
  }
}
