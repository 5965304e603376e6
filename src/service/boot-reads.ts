/**
 * The control thread's half of boot traces: hands a record to the workers with the disk of a machine that
 * boots, and has one worker read a trace ahead into the cache that all of them share.
 */

import { CACHE_BLOCK_BYTES, SharedCache } from '../block/index.ts';
import type { AheadRequest, BootReadGauges, BootReads, Clock } from '../control/index.ts';
import { createAccessRecord, endAccessRecord } from '../vdisk/index.ts';
import type { LayerShelf } from './layer-shelf.ts';
import {
  AHEAD_AT_ONCE,
  AHEAD_RETRY_MS,
  AHEAD_SHARE,
  FAST_CONTENT_MS,
  MAX_BOOTS_RECORDED,
} from './limits.ts';
import type { FromWorker } from './workers/messages.ts';
import type { WorkerPool } from './workers/worker-pool.ts';

export interface ServiceBootReadsOptions {
  readonly layers: Pick<LayerShelf, 'plan' | 'use'>;
  readonly clock: Clock;
  /** Bytes of a block of the read caches. */
  readonly unitBytes: number;
  /** Of the cache that the workers share; 0: there is none, and nothing is read ahead. */
  readonly sharedBytes: number;
  readonly troubled: (subject: string, what: string, error: unknown) => void;
}

type Ended = Extract<FromWorker, { readonly kind: 'read-ahead-ended' }>;

export class ServiceBootReads implements BootReads {
  readonly unitBytes: number;
  readonly #options: ServiceBootReadsOptions;
  /** By machine. */
  readonly #records = new Map<string, SharedArrayBuffer>();
  /** What waits for its turn, by content. */
  readonly #waiting = new Map<string, AheadRequest>();
  /** What is told when one has ended, by its turn. */
  readonly #underWay = new Map<number, (ended: Ended | undefined) => void>();
  readonly #contents = new Set<string>();
  /** Not to be read ahead before then, by content. */
  readonly #notBefore = new Map<string, number>();
  #pool: Pick<WorkerPool, 'size' | 'tell' | 'total'> | undefined;
  #lastTurn = 0;
  #requests = 0;
  #bytes = 0;

  constructor(options: ServiceBootReadsOptions) {
    this.#options = options;
    this.unitBytes = options.unitBytes;
  }

  attach(pool: Pick<WorkerPool, 'size' | 'tell' | 'total'>): void {
    this.#pool = pool;
  }

  record(machineId: string, diskBytes: number): void {
    this.#records.delete(machineId);
    if (this.#records.size >= MAX_BOOTS_RECORDED) return;
    const memory = createAccessRecord(diskBytes, this.unitBytes);
    if (memory !== undefined) this.#records.set(machineId, memory);
  }

  /** For the plan of the machine's disk. */
  recordOf(machineId: string): SharedArrayBuffer | undefined {
    return this.#records.get(machineId);
  }

  recorded(machineId: string): Uint32Array | undefined {
    const memory = this.#records.get(machineId);
    if (memory === undefined) return undefined;
    this.#records.delete(machineId);
    return endAccessRecord(memory);
  }

  readAhead(request: AheadRequest): void {
    const { sharedBytes, clock } = this.#options;
    const { contentId } = request;
    // More than there is room for would push out what was read ahead before.
    const units = Math.floor((sharedBytes * AHEAD_SHARE) / this.unitBytes);
    const order = request.order.subarray(0, units);
    if (sharedBytes === 0 || order.length === 0 || this.#contents.has(contentId)) return;
    if (clock.now() < (this.#notBefore.get(contentId) ?? 0)) return;
    this.#waiting.set(contentId, { ...request, order });
    this.#beginNext();
  }

  /** A worker has ended what it was told to read ahead. */
  ended(message: Ended): void {
    this.#underWay.get(message.turn)?.(message);
  }

  gauges(): BootReadGauges {
    const total = (gauge: Parameters<WorkerPool['total']>[0]): number =>
      this.#pool?.total(gauge) ?? 0;
    const now = this.#options.clock.now();
    return {
      sharedBytesMax: this.#options.sharedBytes,
      sharedHitBytes: total('sharedHitBytes'),
      aheadRequests: this.#requests,
      aheadBytes: this.#bytes,
      aheadHitBytes: total('aheadHitBytes'),
      aheadWastedBytes: total('aheadWastedBytes'),
      restingContents: [...this.#notBefore.values()].filter((until) => until > now).length,
    };
  }

  #beginNext(): void {
    for (const [contentId, request] of this.#waiting) {
      if (this.#contents.size >= AHEAD_AT_ONCE) return;
      this.#waiting.delete(contentId);
      this.#contents.add(contentId);
      this.#readOne(request)
        .catch((error: unknown) => {
          this.#restUntil(contentId, AHEAD_RETRY_MS);
          this.#options.troubled(request.layerId, 'reading a boot trace ahead', error);
        })
        .finally(() => {
          this.#contents.delete(contentId);
          this.#beginNext();
        });
    }
  }

  async #readOne({ layerId, contentId, order }: AheadRequest): Promise<void> {
    const { layers } = this.#options;
    const pool = this.#pool;
    if (pool === undefined) return;
    const done = layers.use(layerId);
    try {
      const plan = await layers.plan(layerId);
      this.#lastTurn += 1;
      const turn = this.#lastTurn;
      const ended = new Promise<Ended | undefined>((resolve) => this.#underWay.set(turn, resolve));
      pool.tell(turn % pool.size, { kind: 'read-ahead', turn, plan, order });
      const end = await ended;
      this.#underWay.delete(turn);
      if (end === undefined) return;
      this.#requests += end.requests;
      this.#bytes += end.bytes;
      if (end.how === 'fast') this.#restUntil(contentId, FAST_CONTENT_MS);
      if (end.how === 'failed') this.#restUntil(contentId, AHEAD_RETRY_MS);
    } finally {
      done();
    }
  }

  #restUntil(contentId: string, forMs: number): void {
    const now = this.#options.clock.now();
    // What is over is forgotten: contents come and go.
    for (const [id, until] of this.#notBefore) if (until <= now) this.#notBefore.delete(id);
    this.#notBefore.set(contentId, now + forMs);
  }

  /** The workers end: what they were told to read ahead is not waited for. */
  close(): void {
    this.#waiting.clear();
    for (const settle of this.#underWay.values()) settle(undefined);
  }
}

/** @param sharedBytes of the cache that workers share, which is made here */
export function openBootReads(options: Omit<ServiceBootReadsOptions, 'unitBytes'>): {
  readonly bootReads: ServiceBootReads;
  readonly sharedCache: SharedArrayBuffer | undefined;
} {
  const unitBytes = CACHE_BLOCK_BYTES;
  const sharedCache = SharedCache.allocate(options.sharedBytes, unitBytes);
  const sharedBytes = sharedCache === undefined ? 0 : options.sharedBytes;
  return { bootReads: new ServiceBootReads({ ...options, unitBytes, sharedBytes }), sharedCache };
}
