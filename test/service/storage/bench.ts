/** What the storage tests share: the service, its console and the places. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNbd, nbdDevice } from '../../../src/nbd/index.ts';
import { freePort } from '../../support/free-port.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { startVerifiedWrites } from '../../support/verified-writes.ts';
import { Console } from './console.ts';
import { Places } from './places.ts';

export const MIB = 2 ** 20;

export class Bench {
  readonly places: Places;
  readonly console: Console;
  readonly #data: string;
  readonly #nbdPort: number;
  #logged = '';

  private constructor(places: Places, service: ServiceProcess, data: string, nbdPort: number) {
    this.places = places;
    this.console = new Console(service);
    this.#data = data;
    this.#nbdPort = nbdPort;
  }

  static async open(): Promise<Bench> {
    const places = await Places.open();
    const data = mkdtempSync(join(tmpdir(), 'rootcast-service-'));
    const nbdPort = await freePort();
    try {
      const service = await ServiceProcess.start(optionsOf(data, nbdPort));
      return new Bench(places, service, data, nbdPort);
    } catch (error) {
      await places.close();
      throw error;
    }
  }

  /** Everything that the service has logged. */
  get logged(): string {
    return this.#logged + this.console.service.stderr;
  }

  uri(exportName: string): string {
    return this.console.service.uri(exportName);
  }

  kill(): Promise<unknown> {
    return this.console.service.kill();
  }

  async restart(): Promise<void> {
    this.#logged += this.console.service.stderr;
    this.console.service = await ServiceProcess.start(optionsOf(this.#data, this.#nbdPort));
  }

  async close(): Promise<void> {
    await this.console.service.remove().finally(() => this.places.close());
  }

  /** Random requests against the model `content` until `enough`; then all of it is read and compared. */
  async writeVerified(
    volume: string,
    content: Buffer,
    during: (done: () => number) => Promise<void>,
  ): Promise<void> {
    const device = nbdDevice(await connectNbd(this.uri(volume)));
    const writes = startVerifiedWrites(device, content);
    try {
      await during(() => writes.done);
    } finally {
      await writes.finish();
      await device.flush();
      await device.close();
    }
  }
}

function optionsOf(data: string, nbdPort: number) {
  return { data, nbdPort, arguments: ['--log-level', 'debug'] };
}
