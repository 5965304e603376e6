/**
 * The entry point of a data worker: NBD connections, the devices behind them, and nothing else. It
 * asks the control thread when a connection opens or closes, never for a block.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { LocalVolumeData } from '../../adapters/local/index.ts';
import { monotonicMs } from '../../base/index.ts';
import { ReadCache, SharedCache } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import { type ChainTable, chainTable, ExportTable, stackBuilder } from '../../exports/index.ts';
import { type ConnectionInfo, createNbdServer, type NbdServer } from '../../nbd/index.ts';
import { FlushJournal, readAhead } from '../../vdisk/index.ts';
import { createLog } from '../log.ts';
import { adapterOf } from '../storage/adapters.ts';
import { VolumeSources } from '../storage/volume-sources.ts';
import { holdExports, partFrom, resumeExports } from './barrier-turn.ts';
import { ControlClient } from './control-client.ts';
import { writeGauges } from './gauges.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';
import { PlanClient } from './plan-client.ts';
import { tlsSettings } from './tls-settings.ts';

const GAUGE_INTERVAL_MS = 500;

async function run(port: MessagePort, start: WorkerStart): Promise<void> {
  const send = (message: FromWorker): void => port.postMessage(message);
  try {
    const worker = new DataWorker(port, start, await openJournal(start));
    const listening = await worker.listen();
    send({ kind: 'listening', port: listening });
  } catch (error) {
    const code = error instanceof Fault ? error.code : 'INTERNAL';
    send({ kind: 'failed', code, message: (error as Error).message });
  }
}

/** @throws BlockError when its volumes cannot be opened */
async function openJournal(start: WorkerStart): Promise<FlushJournal | undefined> {
  if (start.journal === undefined) return undefined;
  const log = createLog(start.logLevel, `journal-${start.worker}`);
  const volumes = new LocalVolumeData({ log });
  const [first, second] = start.journal;
  const segments = [
    await volumes.open(first, { write: true }),
    await volumes.open(second, { write: true }),
  ] as const;
  return new FlushJournal({
    segments,
    bootId: start.bootId,
    onStopped: (err) =>
      log.error({ err }, 'the flush journal stopped; flushes are slower until the next start'),
  });
}

class DataWorker {
  readonly #start: WorkerStart;
  readonly #port: MessagePort;
  readonly #plans: PlanClient;
  readonly #asking: ControlClient;
  readonly #sources: VolumeSources;
  readonly #exports: ExportTable;
  readonly #readCache: ReadCache;
  readonly #sharedCache: SharedCache | undefined;
  readonly #chains: ChainTable;
  /** Ends what is read ahead. */
  readonly #draining = new AbortController();
  readonly #server: NbdServer;

  constructor(port: MessagePort, start: WorkerStart, journal: FlushJournal | undefined) {
    this.#start = start;
    this.#port = port;
    const log = createLog(start.logLevel, `nbd-${start.worker}`);
    this.#plans = new PlanClient(port);
    this.#asking = new ControlClient((message) => this.#send(message));
    this.#sources = new VolumeSources({
      own: new LocalVolumeData({ log }),
      adapterOf,
      parts: { log, clock: monotonicMs },
      ask: (repositoryId, question) => this.#asking.ask(repositoryId, question),
    });
    this.#readCache = new ReadCache({ capacityBytes: start.readCacheBytes });
    const { sharedCache } = start;
    this.#sharedCache = sharedCache && new SharedCache(sharedCache);
    const parts = {
      volumes: this.#sources,
      readCache: this.#readCache,
      sharedCache: this.#sharedCache,
      worker: start.worker,
      journal,
      onFull: (exportName: string, reason: string) =>
        log.warn({ exportName, reason }, 'write cache is full'),
    };
    this.#chains = chainTable(parts);
    this.#exports = new ExportTable(this.#plans, stackBuilder(parts, this.#chains));
    const tls = tlsSettings(start.tls);
    this.#server = createNbdServer({
      exports: this.#exports,
      ...(tls === undefined ? {} : { tls }),
      limits: { connections: start.connectionsMax },
      coalesce: start.coalesce,
      busyPoll: start.busyPoll,
      log,
      onConnection: (connection) => this.#connected(connection),
      onDisconnection: ({ id }) => this.#send({ kind: 'disconnected', id }),
    });
    port.on('message', (message: ToWorker) => this.#receive(message));
    setInterval(() => this.#writeGauges(), GAUGE_INTERVAL_MS).unref();
  }

  /** @returns the port of the TCP listener */
  async listen(): Promise<number> {
    const { listen, reusePort, unix } = this.#start;
    const address = await this.#server.listen({ ...listen, reusePort });
    if (unix !== undefined) await this.#server.listen({ path: unix });
    return address !== undefined && 'port' in address ? address.port : listen.port;
  }

  #receive(message: ToWorker): void {
    switch (message.kind) {
      case 'plan':
      case 'exports':
      case 'refused':
        this.#plans.receive(message);
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
      case 'read-ahead':
        void this.#readAhead(message).then((ended) => this.#send(ended));
        return;
      case 'end-export':
        void this.#server.endExport(message.name, message.atOnce);
        return;
      case 'drain':
        this.#draining.abort();
        void this.#server.drain(message.timeoutMs).then(() => this.#send({ kind: 'drained' }));
        return;
    }
  }

  async #readAhead({ turn, plan, order }: Extract<ToWorker, { kind: 'read-ahead' }>) {
    const kind = 'read-ahead-ended' as const;
    const none = { kind, turn, how: 'failed' as const, requests: 0, bytes: 0 };
    try {
      const chain = await this.#chains.use(plan);
      try {
        const { source } = chain;
        if (source === undefined) return { ...none, how: 'stopped' as const };
        const now = () => performance.now();
        const end = await readAhead({ source, order, now, signal: this.#draining.signal });
        return { kind, turn, ...end };
      } finally {
        await chain.release();
      }
    } catch {
      return none; // whoever reads the disk is told what is wrong with it
    }
  }

  #connected({ id, address, tls, exportName, connectedAt }: ConnectionInfo): void {
    if (exportName === undefined) return;
    this.#send({ kind: 'connected', connection: { id, exportName, address, tls, connectedAt } });
  }

  #writeGauges(): void {
    const { cachedBytes, hits, misses } = this.#readCache.gauges();
    const shared = this.#sharedCache?.gauges();
    writeGauges(this.#start.gauges, {
      readCacheBytes: cachedBytes,
      readCacheHits: hits,
      readCacheMisses: misses,
      connections: this.#server.connections().length,
      sharedHitBytes: shared?.hitBytes ?? 0,
      aheadHitBytes: shared?.aheadHitBytes ?? 0,
      aheadWastedBytes: shared?.aheadWastedBytes ?? 0,
    });
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}

if (parentPort === null) throw new Error('data-worker.ts runs as a worker thread');
await run(parentPort, workerData as WorkerStart);
