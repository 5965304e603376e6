/** A version leaves this server as an image, for other programs: into a file of the server, or as a stream. */
import { Fault } from '../../../errors/index.ts';
import { isSealed, type SealedVersion } from '../../catalog/records.ts';
import { type Control, recordEvent } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type {
  ExportVersionInput,
  VersionContentInput,
  WrittenFileView,
} from '../../schemas/transfer.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';
import type { ExportFormat, ExportRequest, OutgoingStream } from '../../transfer-port.ts';
import { requireAction, VersionSituations, versionSubject } from '../../versions/situation.ts';
import { taskView } from '../task-view.ts';
import { findVersion } from '../versions/find-version.ts';
import { progressOf } from '../versions/progress-of.ts';
import { toldStream } from './told-stream.ts';

const ENDINGS: Readonly<Record<ExportFormat, string>> = {
  raw: 'img',
  qcow2: 'qcow2',
  vhd: 'vhd',
};

/** @throws Fault NOT_FOUND, IN_USE, INVALID_INPUT. The task fails with what Transfers.exportFile throws. */
export function exportVersion(
  control: Control,
  vdiskName: string,
  number: number,
  input: ExportVersionInput,
): TaskView {
  requestOf(control, vdiskName, number, input);
  const subject = versionSubject(vdiskName, number);
  const task = control.tasks.start('version.export', subject, (report, signal) =>
    runExport(control, { vdiskName, number, input }, report, signal),
  );
  return taskView(task);
}

async function runExport(
  control: Control,
  wanted: {
    readonly vdiskName: string;
    readonly number: number;
    readonly input: ExportVersionInput;
  },
  report: ReportProgress,
  signal: AbortSignal,
): Promise<WrittenFileView> {
  signal.throwIfAborted();
  const { vdiskName, number, input } = wanted;
  const { path, format, overwrite = false } = input;
  // Anew: it may have been merged since.
  const request = { ...requestOf(control, vdiskName, number, input), path, overwrite };
  const progress = progressOf(report, 'exporting');
  const written = await control.transfers.exportFile(request, progress, signal);
  recordEvent(control, {
    kind: 'version.exported',
    subject: versionSubject(vdiskName, number),
    message: `version ${number} of ${vdiskName} was exported as ${format} to ${written.path}`,
    data: { format, path: written.path, bytes: written.length },
  });
  return { ...written };
}

export interface VersionContent {
  /** What a file of it may be called. */
  readonly fileName: string;
  readonly stream: OutgoingStream;
}

/**
 * The image as a stream; whoever gets it closes it.
 * @param signal ends it, also before it is there
 * @throws Fault NOT_FOUND, IN_USE, INVALID_INPUT, and what Transfers.exportStream throws
 */
export async function openVersionContent(
  control: Control,
  vdiskName: string,
  number: number,
  input: VersionContentInput,
  signal: AbortSignal,
): Promise<VersionContent> {
  const request = requestOf(control, vdiskName, number, input);
  const { format } = input;
  const stream = await control.transfers.exportStream(request, signal);
  const subject = versionSubject(vdiskName, number);
  const what = `version ${number} of ${vdiskName}`;
  return {
    fileName: fileNameOf(vdiskName, number, format),
    stream: toldStream(control, stream, {
      begun: {
        kind: 'version.download-started',
        subject,
        message: `${what} is being downloaded as ${format}`,
        data: { format, bytes: stream.length ?? null },
      },
      ended: (bytes) => ({
        kind: 'version.exported',
        subject,
        message: `${what} was downloaded as ${format}`,
        data: { format, bytes },
      }),
    }),
  };
}

/** @throws Fault NOT_FOUND, IN_USE (it is in maintenance), INVALID_INPUT */
function requestOf(
  control: Control,
  vdiskName: string,
  number: number,
  { format, compress, parent, parentFile }: VersionContentInput,
): ExportRequest {
  if (compress === true && format !== 'qcow2') {
    throw invalid('compress', compress, `false: only qcow2 is compressed, not ${format}`);
  }
  if (parent === undefined) {
    if (parentFile !== undefined) throw invalid('parentFile', parentFile, 'a parent as well');
    const { layerId } = exportable(control, vdiskName, number, 'version.number');
    return { layerId, format, compress, parent: undefined };
  }
  if (format !== 'vhd') {
    throw invalid('parent', parent, `no parent: only VHD has differences, not ${format}`);
  }
  if (parent === number) throw invalid('parent', parent, 'another version than the one exported');
  const { layerId } = exportable(control, vdiskName, number, 'version.number');
  const below = exportable(control, vdiskName, parent, 'parent');
  const fileName = parentFile ?? fileNameOf(vdiskName, parent, format);
  return { layerId, format, compress, parent: { layerId: below.layerId, fileName } };
}

function exportable(
  control: Control,
  vdiskName: string,
  number: number,
  field: string,
): SealedVersion {
  const { vdisk, version } = findVersion(control.catalog, vdiskName, number, field);
  requireAction(new VersionSituations(control, vdisk), version, 'export');
  if (!isSealed(version)) throw new Fault('INTERNAL', 'an open version was let through');
  return version;
}

function fileNameOf(vdiskName: string, number: number, format: ExportFormat): string {
  return `${vdiskName}-${number}.${ENDINGS[format]}`;
}

function invalid(field: string, value: unknown, expected: string): Fault {
  const details = { field, value, expected };
  return new Fault('INVALID_INPUT', `${field} is ${String(value)}; expected ${expected}`, details);
}
