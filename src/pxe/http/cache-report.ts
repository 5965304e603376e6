/**
 * What a machine says of its write cache: lines `name=value`, as a shell writes them. Pure; anybody on the
 * boot network can send one.
 */
import type { CacheMode, CacheReport, CacheState } from '../boot-catalog.ts';
import { MAX_CACHE_BYTES, MAX_CACHE_REASON_BYTES } from '../limits.ts';

const MODES: readonly CacheMode[] = ['server', 'device-ram', 'device-disk', 'device-ram-overflow'];
const STATES: readonly CacheState[] = [
  'refused',
  'good',
  'filling',
  'nearly-full',
  'full',
  'failed',
];
const NAMES: ReadonlySet<string> = new Set(['mode', 'state', 'reason', 'size', 'used']);

/** @returns what is wrong with it, in words, instead */
export function parseCacheReport(text: string): CacheReport | string {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const at = line.indexOf('=');
    const name = line.slice(0, Math.max(at, 0));
    if (!NAMES.has(name)) return `expected lines NAME=VALUE with one of ${[...NAMES].join(', ')}`;
    if (values.has(name)) return `${name}: expected once`;
    values.set(name, line.slice(at + 1));
  }
  const said = values.get('mode') ?? '';
  const mode = MODES.find((one) => one === said);
  if (mode === undefined && said !== 'none') {
    return `mode: expected one of ${MODES.join(', ')}, none`;
  }
  const state = STATES.find((one) => one === values.get('state'));
  if (state === undefined) return `state: expected one of ${STATES.join(', ')}`;
  const reason = values.get('reason') ?? '';
  if (reason.length > MAX_CACHE_REASON_BYTES || !/^[ -~]*$/.test(reason)) {
    return `reason: expected at most ${MAX_CACHE_REASON_BYTES} printable ASCII characters`;
  }
  const sizeBytes = byteCount(values.get('size'));
  const usedBytes = byteCount(values.get('used'));
  if (sizeBytes === undefined || usedBytes === undefined || usedBytes > sizeBytes) {
    return `size, used: expected bytes, at most ${MAX_CACHE_BYTES}, and no more used than there are`;
  }
  return { mode, state, reason, sizeBytes, usedBytes };
}

function byteCount(text = '0'): number | undefined {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) return undefined;
  const bytes = Number(text);
  return bytes <= MAX_CACHE_BYTES ? bytes : undefined;
}
