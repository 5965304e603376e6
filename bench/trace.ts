/**
 * A recorded trace of block requests (bench/traces): one request a line, in order:
 * `R,offset,length`, `W,offset,length` (bytes) or `F` (flush).
 */

export type TraceRequest =
  | { readonly kind: 'read' | 'write'; readonly offset: number; readonly length: number }
  | { readonly kind: 'flush' };

/** What a request may name, so that a mangled line is noticed and not replayed. */
const MAX_TRACE_REQUEST = 32 * 2 ** 20;

function parseLine(line: string): TraceRequest | undefined {
  if (line === 'F') return { kind: 'flush' };
  const match = /^([RW]),(\d{1,15}),(\d{1,15})$/.exec(line);
  if (match === null) return undefined;
  const [offset, length] = [Number(match[2]), Number(match[3])];
  if (length === 0 || length > MAX_TRACE_REQUEST) return undefined;
  return { kind: match[1] === 'R' ? 'read' : 'write', offset, length };
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

/** The smallest disk, in whole 4 KiB blocks, that all requests fit on. */
export function traceDiskBytes(trace: readonly TraceRequest[]): number {
  let end = 0;
  for (const request of trace) {
    if (request.kind !== 'flush') end = Math.max(end, request.offset + request.length);
  }
  return Math.ceil(end / 4096) * 4096;
}
