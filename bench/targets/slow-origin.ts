/**
 * An origin that takes its time: nbdkit with its delay filter over the image. Rootcast and its peer stand
 * before the same kind of origin, and the origin itself counts what reaches it (nbdkit's log filter
 * writes a line as each request arrives; its stats filter only speaks at the end).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startNbdkit } from './nbdkit.ts';
import { startBefore } from './start-before.ts';
import type { RunningTarget, Stage } from './target.ts';

/** Added to each read. */
const ORIGIN_DELAY_MS = 5;

/** Reads that it works on at once, of each connection; nbdkit's own 16 would be the bottleneck. */
const ORIGIN_THREADS = 64;

export interface SlowOrigin {
  readonly pid: number;
  readonly uri: string;
  /** Read requests so far. */
  requests(): number;
  stop(): Promise<void>;
}

/** `2026-01-31 12:00:00.000000 connection=1 Read id=1 offset=0x0 count=0x200 ...`; the answer's line has dots before `Read`. */
export function countReads(log: string): number {
  return log.match(/ Read id=/g)?.length ?? 0;
}

export async function startSlowOrigin({ image, scratch }: Stage): Promise<SlowOrigin> {
  const log = join(scratch, 'origin.log');
  const filters = ['--filter=log', '--filter=delay'];
  const parameters = [`rdelay=${ORIGIN_DELAY_MS}ms`, `logfile=${log}`];
  const threads = ['--threads', String(ORIGIN_THREADS)];
  const args = ['--readonly', ...threads, ...filters, 'file', image, ...parameters];
  const { pid, uri, stop } = await startNbdkit(args, scratch);
  return { pid, uri: uri(0), requests: () => countReads(readFileSync(log, 'utf8')), stop };
}

/** Starts an origin, then the server before it; ends both, the server first. */
export async function startBeforeSlowOrigin(
  stage: Stage,
  start: (originUri: string) => Promise<RunningTarget>,
): Promise<RunningTarget> {
  const origin = await startSlowOrigin(stage);
  const running = await startBefore(origin, ({ uri }) => start(uri));
  return { ...running, originRequests: async () => origin.requests() };
}
