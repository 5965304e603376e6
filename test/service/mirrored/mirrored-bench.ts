/** The service as its users run it, over two clusters that mirror to each other: repositories `a` and `b`. */
import { mkdtempSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectNbd } from '../../../src/nbd/index.ts';
import type { CephCluster } from '../../support/ceph-cluster.ts';
import { freePort } from '../../support/free-port.ts';
import { MirroredClusters } from '../../support/mirrored-clusters.ts';
import { ServiceProcess } from '../../support/service-process.ts';
import { until } from '../../support/until.ts';
import { Console } from '../storage/console.ts';
import { contentAt } from '../storage/numbered-writer.ts';

export const MIB = 2 ** 20;
/** Mirroring daemons look around twice a minute; a few rounds, on a busy machine. */
export const ROUNDS_MS = 300_000;
const PIECE = 65_536;
const BETWEEN_LOOKS_MS = 500;

export interface Replication {
  readonly mode: string;
  readonly state: string;
  readonly reason: string | null;
  readonly source: string;
  readonly target: string;
  readonly failover: string;
  readonly ageSeconds: number | null;
  readonly rpoMissed: boolean;
  readonly running: boolean;
}

export class MirroredBench {
  readonly clusters: MirroredClusters;
  readonly console: Console;
  readonly #data: string;
  readonly #nbdPort: number;
  #logged = '';

  private constructor(clusters: MirroredClusters, service: ServiceProcess, nbdPort: number) {
    this.clusters = clusters;
    this.console = new Console(service);
    this.#data = service.data;
    this.#nbdPort = nbdPort;
  }

  static async open(): Promise<MirroredBench> {
    const clusters = await MirroredClusters.start();
    try {
      const nbdPort = await freePort();
      const data = mkdtempSync(join(tmpdir(), 'rootcast-service-'));
      const service = await ServiceProcess.start(optionsOf(data, nbdPort));
      const bench = new MirroredBench(clusters, service, nbdPort);
      await bench.#attach('a', clusters.a);
      await bench.#attach('b', clusters.b);
      return bench;
    } catch (error) {
      await clusters.stop();
      throw error;
    }
  }

  async #attach(name: string, cluster: CephCluster): Promise<void> {
    const key = join(cluster.folder, 'key');
    await writeFile(key, await cluster.key(), { mode: 0o600 });
    await this.json(
      'repository',
      'create',
      name,
      ...['--kind', 'ceph', '--set', 'pool=rbd'],
      ...[
        ...['--set', `monHosts=${cluster.monHost}`, '--set', 'patience=20'],
        ...['--secret-file', `key=${key}`],
      ],
    );
  }

  /** Everything that the service has logged. */
  get logged(): string {
    return this.#logged + this.console.service.stderr;
  }

  json<T = unknown>(...args: string[]): Promise<T> {
    return this.console.json<T>(...args);
  }

  refused(...args: string[]): Promise<string> {
    return this.console.refused(...args);
  }

  show(name: string): Promise<Replication> {
    return this.json<Replication>('replication', 'show', name);
  }

  /** What holds at last, however often the daemons look around. */
  async soon(
    name: string,
    what: string,
    holds: (shown: Replication) => boolean | Promise<boolean>,
  ): Promise<Replication> {
    let shown = await this.show(name);
    const holdsNow = async (): Promise<boolean> => {
      shown = await this.show(name);
      if (await holds(shown)) return true;
      await delay(BETWEEN_LOOKS_MS); // the daemons take half a minute; others want the processor too
      return false;
    };
    try {
      await until(`${name} ${what}`, holdsNow, ROUNDS_MS);
    } catch (error) {
      throw new Error(`it is ${JSON.stringify(shown)}`, { cause: error });
    }
    return shown;
  }

  /** What was written until now is on the other side, by a run that is asked for. */
  async send(name: string): Promise<void> {
    let from = Date.now();
    await until('it takes the order', async () => {
      from = Date.now();
      const { code, stderr } = await this.console.run('replication', 'run', name);
      // One that was due is on its way.
      if (code !== 0 && !stderr.includes('is sending a point')) throw new Error(stderr);
      return code === 0;
    });
    // The array's clock has whole seconds.
    await this.soon(name, 'has sent what is now', ({ ageSeconds, state }) => {
      const isNew = ageSeconds !== null && Date.now() - ageSeconds * 1000 >= from - 1000;
      return isNew && state === 'idle-consistent';
    });
  }

  uri(volume: string): string {
    return this.console.service.uri(`volume/${volume}`);
  }

  content(volume: string): Promise<Buffer> {
    return contentAt(this.uri(volume));
  }

  /** A piece of text at each MiB, flushed; in the model too. */
  async write(volume: string, text: string, content: Buffer): Promise<void> {
    const client = await connectNbd(this.uri(volume));
    for (let at = 0; at < content.length; at += MIB) {
      const piece = Buffer.alloc(PIECE, `${text} ${at} `);
      await client.write(piece, at);
      piece.copy(content, at);
    }
    await client.flush();
    await client.disconnect();
    await this.untilClosed(volume);
  }

  async untilClosed(volume: string): Promise<void> {
    await until(`nobody has ${volume} open`, async () => {
      const { connections } = await this.json<{ connections?: number }>('volume', 'show', volume);
      return (connections ?? 0) === 0;
    });
  }

  async messages(subject: string): Promise<readonly string[]> {
    const events = await this.json<readonly { readonly message: string }[]>(
      ...['events', '--subject', subject],
    );
    return events.map(({ message }) => message);
  }

  async killAndRestart(): Promise<void> {
    await this.console.service.kill();
    this.#logged += this.console.service.stderr;
    const options = optionsOf(this.#data, this.#nbdPort);
    this.console.service = await ServiceProcess.start(options);
    for (const name of ['a', 'b']) {
      await until(`${name} is attached`, async () => {
        const { state } = await this.json<{ state: string }>('repository', 'show', name);
        return state === 'attached';
      });
    }
  }

  async close(): Promise<void> {
    await this.console.service.remove().finally(() => this.clusters.stop());
  }
}

function optionsOf(data: string, nbdPort: number) {
  return { data, nbdPort, arguments: ['--log-level', 'debug'] };
}
