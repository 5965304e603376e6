import type { IncomingMessage } from 'node:http';
import { REQUEST_TIMEOUT_MS } from './limits.ts';

/** Cuts a client off whose body has not arrived whole in time. */
export function limitBodyTime(request: IncomingMessage, ms: number = REQUEST_TIMEOUT_MS): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (encoding === undefined && (length === undefined || length === '0')) return;
  const timer = setTimeout(() => request.destroy(), ms).unref();
  for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer));
}
