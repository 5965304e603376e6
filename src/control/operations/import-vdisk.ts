import { Fault } from '../../errors/index.ts';
import type { SealedVersion, VdiskRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { MAX_VDISKS } from '../limits.ts';
import type { ImportedLayer, ImportProgress } from '../ports.ts';
import type { TaskView } from '../schemas/activity.ts';
import type { ImportVdiskInput, VdiskView } from '../schemas/vdisk.ts';
import type { ReportProgress } from '../tasks/task-runner.ts';
import { parseKernelArguments } from '../values/kernel-arguments.ts';
import { parseName } from '../values/name.ts';
import { insertLayer } from '../versions/layer-records.ts';
import { taskView } from './task-view.ts';
import { parseLayerRepository, parseOverlayRepository } from './vdisk-repositories.ts';
import { vdiskView } from './vdisk-view.ts';

const KIND = 'vdisk.import';

/** What is imported, and what becomes of it. */
export interface Import {
  readonly name: string;
  /** Where the image comes from, for people. */
  readonly origin: string;
  readonly description: string;
  readonly format: string | undefined;
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  readonly kernelArguments: string;
  /** undefined: the service's own. */
  readonly repositoryId: string | undefined;
  /** Of its write caches; undefined: the service's own. */
  readonly overlayRepositoryId: string | undefined;
}

/** The image, as a file of this server. */
export interface ImageFile {
  readonly path: string;
  /** Called when it is not needed any more. */
  readonly remove: () => Promise<void>;
}

/** @param report what it takes to get it there counts up to `GET_PERCENT` */
export type GetImage = (report: ReportProgress, signal: AbortSignal) => Promise<ImageFile>;

/** Of a task whose image has to come first. */
export const GET_PERCENT = 50;

/**
 * Starts a task; the vDisk is there when the task has succeeded, and nothing of it is when it has
 * not.
 * @throws Fault INVALID_INPUT, NOT_FOUND, UNAVAILABLE (a repository), ALREADY_EXISTS, LIMIT_EXCEEDED. The task
 *   fails with what ImageStore.importImage throws.
 */
export function importVdisk(control: Control, input: ImportVdiskInput): TaskView {
  const path = parsePath(input.path, 'path');
  const wanted: Import = {
    ...parseImport(control, input),
    origin: path,
    kernel: input.kernel === undefined ? undefined : parsePath(input.kernel, 'kernel'),
    initrd: input.initrd === undefined ? undefined : parsePath(input.initrd, 'initrd'),
  };
  return startImport(control, wanted, path);
}

/** What an import is given, wherever its image comes from. @throws Fault INVALID_INPUT, NOT_FOUND, UNAVAILABLE */
export function parseImport(
  control: Control,
  input: Pick<
    ImportVdiskInput,
    'name' | 'description' | 'format' | 'kernelArguments' | 'repository' | 'overlayRepository'
  >,
): Omit<Import, 'origin' | 'kernel' | 'initrd'> {
  return {
    name: parseName(input.name, 'vdisk.name'),
    description: input.description ?? '',
    format: input.format,
    kernelArguments: parseKernelArguments(input.kernelArguments ?? '', 'kernelArguments'),
    repositoryId: parseLayerRepository(control, input.repository),
    overlayRepositoryId: parseOverlayRepository(control, input.overlayRepository),
  };
}

/**
 * @param image its path, or how to get it
 * @throws Fault ALREADY_EXISTS, LIMIT_EXCEEDED
 */
export function startImport(control: Control, wanted: Import, image: string | GetImage): TaskView {
  const subject = `vdisk/${wanted.name}`;
  refuseTakenName(control, wanted.name, control.tasks.isRunning(KIND, subject));
  const task = control.tasks.start(KIND, subject, (report, signal) =>
    runImport(control, wanted, image, report, signal),
  );
  try {
    control.change((record) =>
      record({
        kind: 'vdisk.import-started',
        subject,
        message: `import of ${wanted.origin} as ${wanted.name} started`,
        data: { path: wanted.origin, taskId: task.id },
      }),
    );
  } catch (error) {
    control.tasks.cancel(task.id); // whoever asked is told of an error, so nothing may go on
    throw error;
  }
  return taskView(task);
}

async function runImport(
  control: Control,
  wanted: Import,
  image: string | GetImage,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<VdiskView> {
  try {
    signal.throwIfAborted(); // cancelled in the turn it was started in
    if (typeof image === 'string') return await importFile(control, wanted, image, report, signal);
    const file = await image(report, signal);
    try {
      const rest: ReportProgress = (done, message) =>
        report(GET_PERCENT + (done * (100 - GET_PERCENT)) / 100, message);
      return await importFile(control, wanted, file.path, rest, signal);
    } finally {
      await file.remove();
    }
  } catch (error) {
    tellFailure(control, wanted.name, signal.aborted ? signal.reason : error);
    throw error;
  }
}

async function importFile(
  control: Control,
  wanted: Import,
  path: string,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<VdiskView> {
  const { format, kernel, initrd, repositoryId } = wanted;
  const progress = (done: ImportProgress): void => report(percent(done), 'importing');
  const request = { path, format, kernel, initrd, repositoryId };
  const layer = await control.images.importImage(request, progress, signal);
  return keepLayer(control, wanted, layer, signal);
}

function percent({ bytesDone, bytesTotal }: ImportProgress): number {
  return bytesTotal === 0 ? 0 : Math.min(99, (bytesDone / bytesTotal) * 100);
}

/** The layer becomes version 1 of the vDisk, or goes again. */
async function keepLayer(
  control: Control,
  wanted: Import,
  layer: ImportedLayer,
  signal: AbortSignal,
): Promise<VdiskView> {
  try {
    signal.throwIfAborted();
    return control.change((record) => {
      refuseTakenName(control, wanted.name, false);
      refuseGone(control, wanted);
      const createdAt = control.clock.now();
      const vdisk: VdiskRecord = {
        id: control.newId(),
        name: wanted.name,
        description: wanted.description,
        pinnedVersion: undefined,
        repositoryId: wanted.repositoryId,
        overlayRepositoryId: wanted.overlayRepositoryId,
        createdAt,
      };
      control.catalog.vdisks.insert(vdisk);
      insertLayer(control, layer, undefined);
      control.catalog.versions.insert(firstVersion(control, vdisk, layer, wanted.kernelArguments));
      const hint =
        layer.bootFiles.kernel === undefined
          ? `; it cannot be booted over PXE: ${layer.noKernelReason ?? 'no kernel was found in it'}`
          : '';
      record({
        kind: 'vdisk.imported',
        subject: `vdisk/${vdisk.name}`,
        message: `vDisk ${vdisk.name} imported from ${wanted.origin}${hint}`,
        data: { contentId: layer.contentId, size: layer.size, dataBytes: layer.dataBytes },
      });
      return vdiskView(control, vdisk);
    });
  } catch (error) {
    await control.images.removeLayer(layer.layerId, layer.volumeId);
    throw error;
  }
}

function firstVersion(
  control: Control,
  vdisk: VdiskRecord,
  layer: ImportedLayer,
  kernelArguments: string,
): SealedVersion {
  const { layerId, contentId, size, dataBytes, format, bootFiles } = layer;
  return {
    id: control.newId(),
    vdiskId: vdisk.id,
    number: 1,
    state: 'production',
    parentNumber: undefined,
    description: '',
    ...{ layerId, contentId, size, dataBytes, format, bootFiles, kernelArguments },
    releaseAt: undefined,
    createdAt: vdisk.createdAt,
    sealedAt: vdisk.createdAt,
  };
}

function tellFailure(control: Control, name: string, reason: unknown): void {
  const cancelled = reason instanceof Fault && reason.code === 'CANCELLED';
  const message = reason instanceof Error ? reason.message : String(reason);
  try {
    control.change((record) =>
      record({
        kind: cancelled ? 'vdisk.import-cancelled' : 'vdisk.import-failed',
        subject: `vdisk/${name}`,
        message: cancelled ? `import of ${name} cancelled` : `import of ${name} failed: ${message}`,
        data: reason instanceof Fault ? { code: reason.code } : {},
      }),
    );
  } catch {
    // The catalog cannot be written; the task still carries the first error, which matters more.
  }
}

/** @throws Fault ALREADY_EXISTS, LIMIT_EXCEEDED */
function refuseTakenName({ catalog }: Control, name: string, beingImported: boolean): void {
  if (beingImported || catalog.vdisks.byName(name) !== undefined) {
    const how = beingImported ? 'is being imported' : 'is there already';
    throw new Fault('ALREADY_EXISTS', `a vDisk ${name} ${how}`, {
      field: 'vdisk.name',
      value: name,
      expected: 'a name that no other vDisk has',
    });
  }
  if (catalog.vdisks.count() >= MAX_VDISKS) {
    throw new Fault('LIMIT_EXCEEDED', 'there are too many vDisks', {
      field: 'vdisks',
      value: MAX_VDISKS,
      expected: `at most ${MAX_VDISKS}`,
    });
  }
}

/** Nothing lies in it yet that would have kept it from being deleted. @throws Fault UNAVAILABLE */
function refuseGone({ catalog }: Control, { overlayRepositoryId: id }: Import): void {
  if (id === undefined || catalog.repositories.byId(id) !== undefined) return;
  const message = 'the repository of the write caches was deleted meanwhile';
  throw new Fault('UNAVAILABLE', message, { field: 'overlayRepository' });
}

function parsePath(value: string, field: string): string {
  if (value.startsWith('/') && !value.includes('\0')) return value;
  throw new Fault('INVALID_INPUT', `${field} is not an absolute path`, {
    field,
    value,
    expected: 'an absolute path on the machine the service runs on',
  });
}
