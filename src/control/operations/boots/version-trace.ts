import { Fault } from '../../../errors/index.ts';
import { decodeTraceFile, encodeTraceFile, type TraceFile } from '../../boots/trace-file.ts';
import { traceOf } from '../../boots/traces.ts';
import { isSealed, type SealedVersion } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { MAX_TRACE_BOOTS } from '../../limits.ts';
import type { TraceFileView, TraceView } from '../../schemas/boot.ts';
import { decodeUnits } from '../../values/trace-units.ts';
import { iso } from '../time-view.ts';
import { findVersion } from '../versions/find-version.ts';

/** What boots of a version read first. @throws Fault NOT_FOUND, INVALID_INPUT (it is not sealed) */
export function showTrace(control: Control, vdiskName: string, number: number): TraceView {
  const version = sealedVersion(control, vdiskName, number);
  const { catalog, bootReads } = control;
  const { order, of } = traceOf(control, version, catalog.versions.ofVdisk(version.vdiskId));
  const boots = catalog.traces.ofContent(version.contentId);
  return {
    vdisk: vdiskName,
    version: number,
    contentId: version.contentId,
    boots: boots.map(({ recordedAt, machine, units }) => ({
      recordedAt: iso(recordedAt),
      machine,
      units: decodeUnits(units)?.length ?? 0,
    })),
    recordsMore: boots.length < MAX_TRACE_BOOTS,
    unitBytes: bootReads.unitBytes,
    units: order.length,
    bytes: order.length * bootReads.unitBytes,
    of: of?.number ?? null,
  };
}

/** @throws Fault NOT_FOUND (no version, or no boot of it was recorded), INVALID_INPUT */
export function exportTrace(control: Control, vdiskName: string, number: number): TraceFileView {
  const { contentId } = sealedVersion(control, vdiskName, number);
  const { unitBytes } = control.bootReads;
  const boots = control.catalog.traces
    .ofContent(contentId)
    .filter((boot) => boot.unitBytes === unitBytes);
  if (boots.length === 0) {
    throw new Fault('NOT_FOUND', `no boot of version ${number} of ${vdiskName} was recorded`, {
      field: 'version.trace',
      value: null,
      expected: 'a version that a machine has booted (rootcast version trace show)',
    });
  }
  return { file: encodeTraceFile({ unitBytes, contentId, boots }).toString('base64') };
}

/**
 * The boots of the file take the place of what was recorded here.
 * @throws Fault NOT_FOUND, INVALID_INPUT (not a trace, or of another content)
 */
export function importTrace(
  control: Control,
  vdiskName: string,
  number: number,
  base64: string,
): TraceView {
  const version = sealedVersion(control, vdiskName, number);
  const file = decodeTraceFile(Buffer.from(base64, 'base64'));
  if (typeof file === 'string') {
    throw invalid(
      `this is no boot trace: ${file}`,
      null,
      'a file of rootcast version trace export',
    );
  }
  refuseForeign(control, version, file);
  const { contentId, unitBytes } = file;
  const { traces } = control.catalog;
  control.change((record) => {
    traces.delete(contentId);
    for (const { recordedAt, units } of file.boots) {
      traces.insert({ contentId, recordedAt, machine: '', unitBytes, units }, MAX_TRACE_BOOTS);
    }
    record({
      kind: 'version.trace-imported',
      subject: `vdisk/${vdiskName}`,
      message: `version ${number} of ${vdiskName} has a boot trace of ${file.boots.length} boots`,
      data: { version: number, contentId, boots: file.boots.length },
    });
  });
  return showTrace(control, vdiskName, number);
}

/** Further boots are recorded anew. @throws Fault NOT_FOUND, INVALID_INPUT */
export function deleteTrace(control: Control, vdiskName: string, number: number): void {
  const { contentId } = sealedVersion(control, vdiskName, number);
  control.change((record) => {
    const boots = control.catalog.traces.delete(contentId);
    if (boots === 0) return;
    record({
      kind: 'version.trace-deleted',
      subject: `vdisk/${vdiskName}`,
      message: `the boot trace of version ${number} of ${vdiskName} was deleted`,
      data: { version: number, contentId, boots },
    });
  });
}

function refuseForeign(
  { bootReads }: Control,
  version: SealedVersion,
  { contentId, unitBytes }: TraceFile,
): void {
  if (contentId !== version.contentId) {
    const message = `the trace is of content ${contentId.slice(0, 12)}, the version has ${version.contentId.slice(0, 12)}`;
    throw invalid(message, contentId, 'a trace of the same content');
  }
  if (unitBytes !== bootReads.unitBytes) {
    const message = `the trace has units of ${unitBytes} bytes, this service of ${bootReads.unitBytes}`;
    throw invalid(message, unitBytes, String(bootReads.unitBytes));
  }
}

function sealedVersion(control: Control, vdiskName: string, number: number): SealedVersion {
  const { version } = findVersion(control.catalog, vdiskName, number);
  if (isSealed(version)) return version;
  throw new Fault('INVALID_INPUT', `version ${number} of ${vdiskName} is in maintenance`, {
    field: 'version.state',
    value: version.state,
    expected: 'a version whose content is settled',
  });
}

function invalid(message: string, value: unknown, expected: string): Fault {
  return new Fault('INVALID_INPUT', message, { field: 'file', value, expected });
}
