/** A vDisk leaves for another server: as a stream, or into a file of this one. */
import { type Control, recordEvent } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { ExportBundleInput, WrittenFileView } from '../../schemas/transfer.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';
import type { OutgoingStream } from '../../transfer-port.ts';
import { taskView } from '../task-view.ts';
import { progressOf } from '../versions/progress-of.ts';
import { type BundleSelection, outgoingBundle } from './outgoing-bundle.ts';
import { toldStream } from './told-stream.ts';

/** @throws Fault NOT_FOUND, IN_USE. The task fails with what Transfers.bundleFile throws. */
export function exportBundle(
  control: Control,
  vdiskName: string,
  input: ExportBundleInput,
): TaskView {
  outgoingBundle(control, vdiskName, selectionOf(input));
  const task = control.tasks.start('bundle.export', `vdisk/${vdiskName}`, (report, signal) =>
    runExport(control, vdiskName, input, report, signal),
  );
  return taskView(task);
}

function selectionOf({ versions, has = [] }: ExportBundleInput): BundleSelection {
  return { versions, has, chunks: 'lacking' };
}

async function runExport(
  control: Control,
  vdiskName: string,
  input: ExportBundleInput,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<WrittenFileView> {
  signal.throwIfAborted();
  // Anew: versions may have been merged since.
  const bundle = outgoingBundle(control, vdiskName, selectionOf(input));
  const file = { path: input.path, overwrite: input.overwrite ?? false };
  const progress = progressOf(report, 'exporting');
  const written = await control.transfers.bundleFile(bundle, file, progress, signal);
  const numbers = bundle.versions.map(({ number }) => number);
  recordEvent(control, {
    kind: 'bundle.exported',
    subject: `vdisk/${vdiskName}`,
    message: `a bundle of ${vdiskName} was written to ${written.path}`,
    data: { versions: numbers, path: written.path, bytes: written.length },
  });
  return { ...written };
}

export interface OpenBundle {
  /** What a file of it may be called. */
  readonly fileName: string;
  readonly stream: OutgoingStream;
}

/**
 * Whoever gets it closes it.
 * @throws Fault NOT_FOUND, IN_USE, and what Transfers.bundleStream throws
 */
export async function openBundle(
  control: Control,
  vdiskName: string,
  selection: BundleSelection,
  signal: AbortSignal,
): Promise<OpenBundle> {
  const bundle = outgoingBundle(control, vdiskName, selection);
  const stream = await control.transfers.bundleStream(bundle, signal);
  const versions = bundle.versions.map(({ number }) => number);
  const subject = `vdisk/${vdiskName}`;
  return {
    fileName: `${vdiskName}.rcb`,
    stream: toldStream(control, stream, {
      begun: {
        kind: 'bundle.download-started',
        subject,
        message: `a bundle of ${vdiskName} is being downloaded`,
        data: { versions },
      },
      ended: (bytes) => ({
        kind: 'bundle.exported',
        subject,
        message: `a bundle of ${vdiskName} was downloaded`,
        data: { versions, bytes },
      }),
    }),
  };
}
