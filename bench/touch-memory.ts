/**
 * Memory that nobody has used lately costs more at its first use than a write costs otherwise: in a virtual machine the
 * host takes back what is free, and gives it again page by page (measured: 4 µs of the 12 of a first write of 4 KiB). Who
 * pays for it is a matter of who ran before. So it is touched before a cell that writes, for every server alike.
 */
import { execFile } from 'node:child_process';
import { freemem } from 'node:os';
import { promisify } from 'node:util';
import { TOUCHED_BYTES } from './limits.ts';
import type { Workload } from './workloads.ts';

const run = promisify(execFile);

/** Takes at most half of what is free, and gives it back. */
export async function touchMemory({ access }: Workload, signal: AbortSignal): Promise<void> {
  if (access === 'image') return; // which nobody writes to
  const bytes = Math.floor(Math.min(TOUCHED_BYTES, freemem() / 2));
  await run(process.execPath, ['-e', `Buffer.alloc(${bytes}, 1)`], { signal });
}
