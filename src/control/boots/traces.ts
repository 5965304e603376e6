/**
 * Traces of boots: what to record, what was recorded, and what a version's boots read, in one order. A version
 * that was never recorded is taken to read what the version did that it was made from.
 */
import { isSealed, type SealedVersion, type VersionRecord } from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { MAX_TRACE_BOOTS, MIN_TRACE_UNITS } from '../limits.ts';
import { encodeUnits } from '../values/trace-units.ts';

export interface VersionTrace {
  readonly order: Uint32Array;
  /** The version whose boots were recorded; undefined: none was. */
  readonly of: SealedVersion | undefined;
}

/** Its own, or that of the nearest version it was made from. @param versions of its vDisk */
export function traceOf(
  control: Control,
  version: VersionRecord,
  versions: readonly VersionRecord[],
): VersionTrace {
  const byNumber = new Map(versions.map((one) => [one.number, one]));
  const seen = new Set<number>();
  for (let one: VersionRecord | undefined = version; one !== undefined && !seen.has(one.number); ) {
    seen.add(one.number);
    if (isSealed(one)) {
      const order = control.mergedTraces.order(
        control.catalog,
        one.contentId,
        control.bootReads.unitBytes,
      );
      if (order.length > 0) return { order, of: one };
    }
    one = one.parentNumber === undefined ? undefined : byNumber.get(one.parentNumber);
  }
  return { order: new Uint32Array(), of: undefined };
}

/** Somebody boots it, or soon will. @param versions of its vDisk */
export function readVersionAhead(
  control: Control,
  version: SealedVersion,
  versions: readonly VersionRecord[],
): void {
  const { order } = traceOf(control, version, versions);
  if (order.length === 0) return;
  const { layerId, contentId } = version;
  control.bootReads.readAhead({ layerId, contentId, order });
}

/** @param isFresh its write cache is empty: all that it reads it reads from the version */
export function recordBoot(
  control: Control,
  boot: { readonly machineId: string; readonly bootId: number; readonly isFresh: boolean },
  version: VersionRecord,
): void {
  const { catalog, bootReads, recordings } = control;
  const { machineId, bootId, isFresh } = boot;
  // Of a boot before this one that never ended.
  dropRecording(control, machineId);
  if (!isFresh || !isSealed(version)) return;
  const { contentId, size } = version;
  const underWay = [...recordings.values()].filter((one) => one.contentId === contentId).length;
  if (catalog.traces.mark(contentId).count + underWay >= MAX_TRACE_BOOTS) return;
  recordings.set(machineId, { contentId, bootId });
  bootReads.record(machineId, size);
}

/** What was recorded of a machine's boot until now is nothing to keep. */
export function dropRecording(
  { recordings, bootReads }: Pick<Control, 'recordings' | 'bootReads'>,
  machineId: string,
): void {
  recordings.delete(machineId);
  bootReads.recorded(machineId);
}

/** Inside a change: a recorded boot is over. @param isWhole it went all the way */
export function keepTrace(
  control: Control,
  record: RecordEvent,
  machineId: string,
  isWhole: boolean,
): void {
  const recording = control.recordings.get(machineId);
  if (recording === undefined) return;
  control.recordings.delete(machineId);
  const units = control.bootReads.recorded(machineId);
  if (!isWhole || units === undefined || units.length < MIN_TRACE_UNITS) return;
  const { catalog, clock, bootReads } = control;
  const { contentId } = recording;
  // The version may have been deleted meanwhile, and nothing would delete its trace.
  if (catalog.layers.ofContent(contentId).length === 0) return;
  const machine = catalog.machines.byId(machineId)?.name ?? '';
  const { unitBytes } = bootReads;
  const trace = { contentId, recordedAt: clock.now(), machine, unitBytes };
  catalog.traces.insert({ ...trace, units: encodeUnits(units) }, MAX_TRACE_BOOTS);
  record({
    kind: 'version.trace-recorded',
    subject: machine === '' ? 'service' : `machine/${machine}`,
    message: `the boot of ${machine} was recorded: it read ${units.length} blocks of ${unitBytes / 1024} KiB`,
    data: { contentId, units: units.length },
  });
}
