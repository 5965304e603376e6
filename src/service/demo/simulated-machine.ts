/**
 * A machine that is not there: the recorded block requests of a Debian boot, sent to the machine's own
 * NBD export through our own client, in about the time that a quick boot takes.
 */
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectNbd, nbdDevice } from '../../nbd/index.ts';

type TraceRequest =
  | { readonly kind: 'read' | 'write'; readonly offset: number; readonly length: number }
  | { readonly kind: 'flush' };

const TRACE = fileURLToPath(new URL('../../../bench/traces/debian-boot.csv', import.meta.url));
/** How long a simulated boot is made to take. */
const BOOT_MS = 12_000;
const BLOCK = 4096;

/** `R,offset,length`, `W,offset,length` or `F` a line (bench/traces/README.md). */
export async function bootTrace(): Promise<TraceRequest[]> {
  const lines = (await readFile(TRACE, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [kind, offset, length] = line.split(',');
    if (kind === 'F') return { kind: 'flush' };
    return {
      kind: kind === 'R' ? 'read' : 'write',
      offset: Number(offset),
      length: Number(length),
    };
  });
}

/** Writes a sparse disk image that holds data wherever the trace reads. */
export async function writeTraceImage(path: string, trace: readonly TraceRequest[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    let end = 0;
    for (const request of trace) {
      if (request.kind === 'flush') continue;
      end = Math.max(end, request.offset + request.length);
      if (request.kind === 'write') continue;
      await file.write(blocksAt(request.offset, request.length), 0, request.length, request.offset);
    }
    await file.truncate(Math.ceil(end / BLOCK) * BLOCK);
  } finally {
    await file.close();
  }
}

/** Every block says where it belongs, so that a reader can tell a wrong one. */
function blocksAt(offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, 0x52);
  for (let at = 0; at + 8 <= length; at += 512) bytes.writeBigUInt64LE(BigInt(offset + at), at);
  return bytes;
}

export interface Simulation {
  /** Share of the trace that has been answered, 0 … 1. */
  progress: number;
  /** Bytes read that were not what the image (or this machine's own writes) hold. */
  wrongBytes: number;
}

/** Replays the trace; rejects when the server fails a request or goes away. */
export async function simulateBoot(
  uri: string,
  trace: readonly TraceRequest[],
  simulation: Simulation,
  signal: AbortSignal,
): Promise<void> {
  const disk = nbdDevice(await connectNbd(uri));
  const own = new Set<number>();
  try {
    for (const [index, request] of trace.entries()) {
      signal.throwIfAborted();
      if (request.kind === 'flush') await disk.flush();
      else if (request.kind === 'write') {
        for (let at = 0; at < request.length; at += 512) own.add(request.offset + at);
        await disk.write(Buffer.alloc(request.length, index), request.offset, { fua: false });
      } else {
        const target = Buffer.allocUnsafe(request.length);
        await disk.read(target, request.offset);
        simulation.wrongBytes += wrongBytes(target, request.offset, own);
      }
      simulation.progress = (index + 1) / trace.length;
      await sleep(BOOT_MS / trace.length);
    }
  } finally {
    await disk.close();
  }
}

/** Counts sectors of the shared image that are not in their place. */
function wrongBytes(data: Buffer, offset: number, own: ReadonlySet<number>): number {
  let wrong = 0;
  for (let at = 0; at + 512 <= data.length; at += 512) {
    if (own.has(offset + at)) continue;
    if (data.readBigUInt64LE(at) !== BigInt(offset + at)) wrong += 512;
  }
  return wrong;
}
