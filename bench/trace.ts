/**
 * A recorded trace of block requests (bench/traces, `rootcast bench record`): one request a line, in
 * order: `R,offset,length`, `W,offset,length` (bytes) or `F` (flush). A last field, where there is one,
 * is the think time: µs between the answer to the request before it and this one (`R,0,4096,250`, `F,90`).
 */

interface Thinking {
  /** Undefined when it was not recorded. */
  readonly thinkMicros?: number;
}

export type TraceRequest = Thinking &
  (
    | { readonly kind: 'read' | 'write'; readonly offset: number; readonly length: number }
    | { readonly kind: 'flush' }
  );

/** What a request may name, so that a mangled line is noticed and not replayed. */
const MAX_TRACE_REQUEST = 32 * 2 ** 20;

/**
 * Stands in for think times that a trace does not have, so that a paced replay of it is possible: with
 * it the 1,168 requests of bench/traces/debian-boot.csv, answered at once, take 2.3 s.
 */
export const ASSUMED_THINK_MICROS = 2000;

function parseLine(line: string): TraceRequest | undefined {
  const match = /^(?:([RW]),(\d{1,15}),(\d{1,15})|F)(?:,(\d{1,12}))?$/.exec(line);
  if (match === null) return undefined;
  const think = match[4] === undefined ? {} : { thinkMicros: Number(match[4]) };
  if (match[1] === undefined) return { kind: 'flush', ...think };
  const [offset, length] = [Number(match[2]), Number(match[3])];
  if (length === 0 || length > MAX_TRACE_REQUEST) return undefined;
  return { kind: match[1] === 'R' ? 'read' : 'write', offset, length, ...think };
}

/** @throws Error that names the first line that is no request */
export function parseTrace(text: string): TraceRequest[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, index) => {
    const request = parseLine(line);
    if (request === undefined)
      throw new Error(`line ${index + 1} is no request: ${line.slice(0, 80)}`);
    return request;
  });
}

/** One line, with its end. */
export function formatTraceRequest(request: TraceRequest): string {
  const think = request.thinkMicros === undefined ? '' : `,${request.thinkMicros}`;
  if (request.kind === 'flush') return `F${think}\n`;
  return `${request.kind === 'read' ? 'R' : 'W'},${request.offset},${request.length}${think}\n`;
}

/** With think times: the recorded ones, or, where the trace has none at all, ASSUMED_THINK_MICROS. */
export function paceTrace(trace: readonly TraceRequest[]): readonly TraceRequest[] {
  if (trace.some(({ thinkMicros }) => thinkMicros !== undefined)) return trace;
  return trace.map((request) => ({ ...request, thinkMicros: ASSUMED_THINK_MICROS }));
}

/** The smallest disk, in whole 4 KiB blocks, that all requests fit on. */
export function traceDiskBytes(trace: readonly TraceRequest[]): number {
  let end = 0;
  for (const request of trace) {
    if (request.kind !== 'flush') end = Math.max(end, request.offset + request.length);
  }
  return Math.ceil(end / 4096) * 4096;
}

/** The 4 KiB blocks that the requests touch, in ascending order. */
export function traceBlocks(trace: readonly TraceRequest[]): number[] {
  const blocks = new Set<number>();
  for (const request of trace) {
    if (request.kind === 'flush') continue;
    const end = Math.ceil((request.offset + request.length) / 4096);
    for (let block = Math.floor(request.offset / 4096); block < end; block += 1) blocks.add(block);
  }
  return [...blocks].sort((a, b) => a - b);
}
