import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Fault } from '../../errors/index.ts';
import type { ExportClient, ExportSummary, StackPlan } from '../../exports/index.ts';
import type { HostPort } from '../config/index.ts';
import { listenFault } from '../listen-http.ts';
import { createGauges, type Gauge, readGauges } from './gauges.ts';
import type { FromWorker, ToWorker, WorkerConnection, WorkerStart } from './messages.ts';
import { portAnswer } from './port-answer.ts';

/** What the workers ask of the control thread. */
export interface PoolOwner {
  /** @throws Fault EXPORT_NOT_FOUND and the like, answered to the client as such */
  open(name: string, client: ExportClient): Promise<StackPlan>;
  list(): readonly ExportSummary[];
  /** A worker closed what it was given by one `open`: the key and the name of its plan. */
  released(key: string, name: string): void;
  /** A repository's data port asks its control port. @throws BlockError */
  answer(repositoryId: string, question: unknown): Promise<unknown>;
  /** A worker holds, or goes on (WorkerBarrier). */
  barrier(worker: number, message: BarrierAnswer): void;
  /** A worker has read ahead what it was told to. */
  aheadEnded(message: Extract<FromWorker, { readonly kind: 'read-ahead-ended' }>): void;
  /** A worker died. Its connections are gone; the service must not go on as if nothing happened. */
  died(error: Error): void;
}

/** What workers say of holding requests. */
export type BarrierAnswer = Extract<FromWorker, { readonly kind: 'held' | 'resumed' | 'parted' }>;

interface Member {
  readonly worker: Worker;
  readonly gauges: SharedArrayBuffer;
  readonly connections: Map<number, WorkerConnection>;
  drained: boolean;
}

const WORKER_FILE = new URL('./data-worker.ts', import.meta.url);

/** The data workers, seen from the control thread. */
export class WorkerPool {
  readonly #owner: PoolOwner;
  readonly #members: Member[] = [];
  /** The connections of each export: control asks for every machine's, every second. */
  readonly #byExport = new Map<string, Set<WorkerConnection>>();
  #port = 0;
  #stopping = false;

  private constructor(owner: PoolOwner) {
    this.#owner = owner;
  }

  /**
   * Starts `count` workers on one port. Port 0 is chosen by the first; the others follow it.
   * @throws Fault ADDRESS_IN_USE, PERMISSION_DENIED, INVALID_INPUT (TLS files)
   */
  static async start(
    count: number,
    base: Omit<WorkerStart, 'worker' | 'gauges' | 'reusePort' | 'journal'>,
    journalOf: (worker: number) => WorkerStart['journal'],
    owner: PoolOwner,
  ): Promise<WorkerPool> {
    const pool = new WorkerPool(owner);
    await refuseTakenPort(base.listen);
    try {
      for (let worker = 0; worker < count; worker++) {
        pool.#port = await pool.#startOne({
          ...base,
          worker,
          reusePort: count > 1,
          listen: { host: base.listen.host, port: worker === 0 ? base.listen.port : pool.#port },
          unix: worker === 0 ? base.unix : undefined,
          gauges: createGauges(),
          journal: journalOf(worker),
        });
      }
      return pool;
    } catch (error) {
      await pool.#terminate();
      throw error;
    }
  }

  get size(): number {
    return this.#members.length;
  }

  get port(): number {
    return this.#port;
  }

  connectionCount(): number {
    return this.#members.reduce((sum, member) => sum + member.connections.size, 0);
  }

  connectionsOf(exportName: string): WorkerConnection[] {
    return [...(this.#byExport.get(exportName) ?? [])];
  }

  /** A gauge summed over the workers. */
  total(gauge: Gauge): number {
    return this.#members.reduce((sum, member) => sum + readGauges(member.gauges)[gauge], 0);
  }

  /** @param atOnce without the answers to what was accepted, which a peer that is gone does not take */
  endExport(name: string, atOnce: boolean): void {
    for (const member of this.#members) post(member, { kind: 'end-export', name, atOnce });
  }

  /** @param worker its number */
  tell(worker: number, message: ToWorker): void {
    const member = this.#members[worker];
    if (member !== undefined) post(member, message);
  }

  /** To every worker. */
  tellAll(message: ToWorker): void {
    for (const member of this.#members) post(member, message);
  }

  /** Answers what was accepted, then ends every worker. */
  async drain(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      this.#members.map(
        (member) =>
          new Promise<void>((resolve) => {
            if (member.drained) return resolve();
            member.worker.on('message', (message: FromWorker) => {
              if (message.kind === 'drained') resolve();
            });
            member.worker.once('exit', () => resolve());
            post(member, { kind: 'drain', timeoutMs });
          }),
      ),
    );
    await this.#terminate();
  }

  async #terminate(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#members.map((member) => member.worker.terminate()));
  }

  #startOne(start: WorkerStart): Promise<number> {
    const worker = new Worker(WORKER_FILE, { workerData: start, name: `nbd-${start.worker}` });
    const member: Member = { worker, gauges: start.gauges, connections: new Map(), drained: false };
    this.#members.push(member);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'listening') resolve(message.port);
        else if (message.kind === 'failed') reject(new Fault(message.code, message.message));
        else this.#receive(member, message);
      });
      worker.on('error', (error) => {
        reject(error);
        if (!this.#stopping) this.#owner.died(error as Error);
      });
      worker.on('exit', (code) => {
        if (!this.#stopping) this.#owner.died(new Error(`data worker left with code ${code}`));
      });
    });
  }

  #receive(member: Member, message: Exclude<FromWorker, { kind: 'listening' | 'failed' }>): void {
    switch (message.kind) {
      case 'open':
        this.#owner.open(message.name, message.client).then(
          (plan) => post(member, { kind: 'plan', request: message.request, plan }),
          (error: unknown) => post(member, refusal(message.request, error)),
        );
        return;
      case 'list':
        post(member, { kind: 'exports', request: message.request, exports: this.#owner.list() });
        return;
      case 'ask':
        void portAnswer(message.request, () =>
          this.#owner.answer(message.repositoryId, message.question),
        ).then((answer) => post(member, answer));
        return;
      case 'held':
      case 'resumed':
      case 'parted':
        this.#owner.barrier(this.#members.indexOf(member), message);
        return;
      case 'read-ahead-ended':
        this.#owner.aheadEnded(message);
        return;
      case 'released':
        this.#owner.released(message.key, message.name);
        return;
      case 'connected':
        this.#entered(member, message.connection);
        return;
      case 'disconnected':
        this.#left(member, message.id);
        return;
      case 'drained':
        member.drained = true;
        return;
    }
  }

  #entered(member: Member, connection: WorkerConnection): void {
    member.connections.set(connection.id, connection);
    const { exportName } = connection;
    const ofExport = this.#byExport.get(exportName) ?? new Set();
    this.#byExport.set(exportName, ofExport.add(connection));
  }

  #left(member: Member, id: number): void {
    const connection = member.connections.get(id);
    if (connection === undefined) return;
    member.connections.delete(id);
    const ofExport = this.#byExport.get(connection.exportName);
    ofExport?.delete(connection);
    if (ofExport?.size === 0) this.#byExport.delete(connection.exportName);
  }
}

/**
 * Listening with SO_REUSEPORT, as several workers do, would share the port with another service of this
 * user that does the same, without a word. Without it the port has to be free; and here the refusal
 * is told in terms of the setting.
 */
async function refuseTakenPort({ host, port }: HostPort): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (cause) => reject(listenFault('nbd.listen', `${host}:${port}`, cause)));
    probe.listen({ host, port }, () => probe.close(() => resolve()));
  });
}

function post(member: Member, message: ToWorker): void {
  member.worker.postMessage(message);
}

function refusal(request: number, error: unknown): ToWorker {
  const code = error instanceof Fault ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'refused', request, code, message };
}
