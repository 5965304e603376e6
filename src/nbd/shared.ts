/** What all connections of one server share. */
import type { ExportProvider } from '../exports/index.ts';
import type { Budget } from './budget.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { BusyPoll } from './busy-poll.ts';
import type { Coalescer } from './coalescer.ts';
import type { NbdLimits } from './limits.ts';
import type { Logger } from './logger.ts';
import type { MachineTurns } from './machine-turn.ts';
import type { SlabPool } from './slab-pool.ts';
import type { Timers } from './timers.ts';
import type { TlsSettings, TlsUpgrader } from './tls.ts';

export interface Shared {
  readonly exports: ExportProvider;
  readonly limits: NbdLimits;
  readonly log: Logger;
  readonly timers: Timers;
  readonly budget: Budget;
  readonly buffers: BufferPool;
  readonly slabs: SlabPool;
  readonly turns: MachineTurns;
  /** Undefined: requests are never left to gather. */
  readonly coalescer: Coalescer | undefined;
  /** Undefined: the thread sleeps whenever there is nothing to do. */
  readonly busyPoll: BusyPoll | undefined;
  readonly tls: { readonly mode: TlsSettings['mode']; readonly upgrader: TlsUpgrader } | undefined;
}
