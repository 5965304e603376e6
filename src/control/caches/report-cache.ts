/**
 * A machine says what it has made of its own write cache, and how full it is. Anybody on the boot network can
 * say so: what is kept is bounded, a boot's mode is settled by the first that says it, a state only ever gets
 * worse, and nothing that is said touches a block.
 */
import {
  DEVICE_CACHE_STATES,
  type DeviceCacheState,
  type GotCache,
  type MachineCacheRecord,
  type MachineRecord,
} from '../catalog/records.ts';
import type { Control, NewEvent } from '../control.ts';
import { CACHE_REPORT_EVERY_MS } from '../limits.ts';
import { parseMac } from '../values/mac-address.ts';
import { fallbacksOf } from './fallbacks.ts';

export interface CacheReport {
  /** undefined: none, it does not boot. */
  readonly mode: GotCache | undefined;
  readonly state: Exclude<DeviceCacheState, 'waiting'>;
  /** In the machine's words; printable. */
  readonly reason: string;
  /** Bytes. */
  readonly sizeBytes: number;
  readonly usedBytes: number;
}

export type ReportOutcome =
  | { readonly kind: 'kept' }
  /** No machine of this address has booted with a write cache of its own. */
  | { readonly kind: 'unknown' }
  /** It contradicts what the machine said before, or what it was told to do. */
  | { readonly kind: 'refused'; readonly why: string };

const KEPT: ReportOutcome = { kind: 'kept' };

/**
 * Idempotent. `server` as the mode makes the machine's disk writable from its next connection on: an empty
 * overlay, for the boot has removed what there was.
 * @throws Fault INVALID_INPUT (the address)
 */
export function reportCache(control: Control, macText: string, report: CacheReport): ReportOutcome {
  const { machines, machineCaches } = control.catalog;
  const machine = machines.byMac(parseMac(macText, 'mac'));
  const before = machine === undefined ? undefined : machineCaches.of(machine.id);
  if (machine === undefined || before === undefined) return { kind: 'unknown' };
  const why = contradiction(before, report);
  if (why !== undefined) return { kind: 'refused', why };
  const now = control.clock.now();
  const isWorse = rank(report.state) > rank(before.state);
  const isFirst = before.got !== report.mode;
  const isRecent = now - (before.reportedAt ?? 0) < CACHE_REPORT_EVERY_MS;
  if (!isFirst && !isWorse && (isRecent || rank(report.state) < rank(before.state))) return KEPT;
  control.change((record) => {
    machineCaches.report(machine.id, { ...report, got: report.mode }, now);
    for (const event of eventsOf(machine, before, report)) record(event);
  });
  return KEPT;
}

function contradiction(
  before: MachineCacheRecord,
  { mode, state }: CacheReport,
): string | undefined {
  const { asked, got, onImpossible } = before;
  if (mode === undefined) {
    if (state !== 'refused') return 'a cache without a mode';
    return got === undefined ? undefined : `it has said that it has a ${got} cache`;
  }
  if (state === 'refused') return 'a mode that was refused';
  if (got !== undefined && got !== mode) return `it has said that it has a ${got} cache`;
  if (mode === asked) return undefined;
  if (onImpossible === 'refuse') return `its vDisk allows nothing but ${asked}`;
  return fallbacksOf(asked).includes(mode) ? undefined : `no fallback of ${asked}`;
}

function rank(state: DeviceCacheState): number {
  return DEVICE_CACHE_STATES.indexOf(state);
}

function eventsOf(
  { name }: MachineRecord,
  { asked, got, state: was }: MachineCacheRecord,
  { mode, state, reason, sizeBytes, usedBytes }: CacheReport,
): readonly NewEvent[] {
  const subject = `machine/${name}`;
  const data = { asked, got: mode ?? null, reason, sizeBytes, usedBytes };
  const events: NewEvent[] = [];
  if (mode !== undefined && mode !== asked && got === undefined) {
    const message = `${name} cannot have a ${asked} cache (${reason}): it has a ${mode} cache instead`;
    events.push({ kind: 'machine.cache-fallback', subject, message, data });
  }
  if (rank(state) <= rank(was)) return events;
  switch (state) {
    case 'refused': {
      const message = `${name} cannot have a ${asked} cache and does not boot: ${reason}`;
      events.push({ kind: 'machine.cache-refused', subject, message, data });
      break;
    }
    case 'good':
      break;
    case 'filling':
    case 'nearly-full': {
      const percent = sizeBytes === 0 ? 0 : Math.floor((usedBytes / sizeBytes) * 100);
      const message = `the write cache on ${name} is ${percent} % full`;
      events.push({ kind: 'machine.cache-filling', subject, message, data: { ...data, percent } });
      break;
    }
    case 'full': {
      const message = `the write cache on ${name} is full: its writes fail`;
      events.push({ kind: 'machine.cache-full', subject, message, data });
      break;
    }
    case 'failed': {
      const message = `the write cache on ${name} has failed: its disk is gone${reason === '' ? '' : ` (${reason})`}`;
      events.push({ kind: 'machine.cache-failed', subject, message, data });
      break;
    }
  }
  return events;
}
