/**
 * The entry point of the replication thread: it copies and reads points, so that neither control nor a machine's
 * block ever waits for that. What it needs to know it asks the control thread.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { LocalVolumeData } from '../../adapters/local/index.ts';
import { ReadCache } from '../../block/index.ts';
import { ExportTable, stackBuilder } from '../../exports/index.ts';
import { GivenPlans } from '../given-plans.ts';
import { createLog } from '../log.ts';
import { adapterOf } from '../storage/adapters.ts';
import { VolumeSources } from '../storage/volume-sources.ts';
import { holdExports, partFrom, resumeExports } from '../workers/barrier-turn.ts';
import { ControlClient } from '../workers/control-client.ts';
import type { FromReplication, ReplicationStart, ToReplication } from './messages.ts';
import { PointJobs } from './point-jobs.ts';

class ReplicationWorker {
  readonly #port: MessagePort;
  readonly #asking: ControlClient;
  readonly #sources: VolumeSources;
  readonly #exports: ExportTable;
  readonly #jobs: PointJobs;

  constructor(port: MessagePort, start: ReplicationStart) {
    this.#port = port;
    const log = createLog(start.logLevel, 'replication');
    this.#asking = new ControlClient((message) => this.#send(message));
    this.#sources = new VolumeSources({
      own: new LocalVolumeData({ log }),
      adapterOf,
      parts: { log, clock: () => performance.now() },
      ask: (repositoryId, question) => this.#asking.ask(repositoryId, question),
    });
    const given = new GivenPlans((key, name) => this.#send({ kind: 'released', key, name }));
    const build = stackBuilder({
      volumes: this.#sources,
      readCache: new ReadCache({ capacityBytes: start.readCacheBytes }),
      worker: start.worker,
      onFull: (exportName, reason) => log.warn({ exportName, reason }, 'a replica is full'),
    });
    this.#exports = new ExportTable(given, build);
    this.#jobs = new PointJobs(this.#exports, given, (message) => this.#send(message));
    port.on('message', (message: ToReplication) => this.#receive(message));
  }

  #receive(message: ToReplication): void {
    switch (message.kind) {
      case 'copy':
        void this.#jobs.copy(message);
        return;
      case 'read':
        void this.#jobs.read(message);
        return;
      case 'reply':
        this.#jobs.reply(message.job, message.question, message.reply);
        return;
      case 'cancel':
        this.#jobs.cancel(message.job);
        return;
      case 'throttle':
        this.#jobs.throttle(message.replicationId, message.bytesPerSecond);
        return;
      case 'connect':
        this.#sources.connect(message.adapter, message.connection);
        return;
      case 'disconnect':
        void partFrom(this.#sources, message).then((parted) => this.#send(parted));
        return;
      case 'answer':
        this.#asking.receive(message.request, message.answer);
        return;
      case 'hold':
        void holdExports(this.#exports, message).then((held) => this.#send(held));
        return;
      case 'resume':
        void resumeExports(this.#exports, message).then((resumed) => this.#send(resumed));
        return;
    }
  }

  #send(message: FromReplication): void {
    this.#port.postMessage(message);
  }
}

if (parentPort === null) throw new Error('replication-worker.ts runs as a worker thread');
new ReplicationWorker(parentPort, workerData as ReplicationStart);
