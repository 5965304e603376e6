import { Fault } from '../../errors/index.ts';
import type { SealedVersion, VdiskRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { MAX_VDISKS } from '../limits.ts';
import type { ImportedLayer, ImportProgress } from '../ports.ts';
import type { TaskView } from '../schemas/activity.ts';
import type { ImportedVdisk, ImportVdiskInput } from '../schemas/vdisk.ts';
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
  /** undefined: it is imported as it is. */
  readonly prepare: { readonly install: boolean } | undefined;
}

/** The image, as a file of this server. */
export interface ImageFile {
  readonly path: string;
  /** Another one than was said of what it was made from. */
  readonly format?: string;
  /** What its preparation changed. */
  readonly prepared?: NonNullable<ImportedVdisk['prepared']>;
  /** Called when it is not needed any more. */
  readonly remove: () => Promise<void>;
}

/** @param report up to 100 percent of what it takes to get it there */
export type GetImage = (report: ReportProgress, signal: AbortSignal) => Promise<ImageFile>;

/** Of a task whose image has to come first. */
const GET_PERCENT = 50;

/**
 * Starts a task; the vDisk is there when the task has succeeded, and nothing of it is when it has
 * not.
 * @throws Fault INVALID_INPUT, NOT_FOUND, UNAVAILABLE (a repository), ALREADY_EXISTS, LIMIT_EXCEEDED. The task
 *   fails with what ImageStore.importImage throws.
 */
export function importVdisk(control: Control, input: ImportVdiskInput): TaskView {
  const path = parsePath(input.path, 'path');
  refuseGivenBootFiles(input);
  const wanted: Import = {
    ...parseImport(control, input),
    origin: path,
    kernel: input.kernel === undefined ? undefined : parsePath(input.kernel, 'kernel'),
    initrd: input.initrd === undefined ? undefined : parsePath(input.initrd, 'initrd'),
  };
  const here: GetImage = async () => ({ path, remove: async () => undefined });
  return startImport(control, wanted, wanted.prepare === undefined ? path : here);
}

/**
 * What an import is given, wherever its image comes from.
 * @throws Fault INVALID_INPUT, NOT_FOUND, UNAVAILABLE; PERMISSION_DENIED, TOOL_MISSING (it cannot be prepared here)
 */
export function parseImport(
  control: Control,
  input: Omit<ImportVdiskInput, 'path' | 'kernel' | 'initrd'>,
): Omit<Import, 'origin' | 'kernel' | 'initrd'> {
  return {
    name: parseName(input.name, 'vdisk.name'),
    description: input.description ?? '',
    format: input.format,
    kernelArguments: parseKernelArguments(input.kernelArguments ?? '', 'kernelArguments'),
    repositoryId: parseLayerRepository(control, input.repository),
    overlayRepositoryId: parseOverlayRepository(control, input.overlayRepository),
    prepare: parsePrepare(control, input),
  };
}

function parsePrepare(
  control: Control,
  { prepare, installPackages }: Pick<ImportVdiskInput, 'prepare' | 'installPackages'>,
): Import['prepare'] {
  if (prepare === true) {
    control.preparer.check();
    return { install: installPackages === true };
  }
  if (installPackages !== true) return undefined;
  throw new Fault('INVALID_INPUT', 'packages are installed in an image that is prepared only', {
    field: 'installPackages',
    value: true,
    expected: 'prepare: true as well',
  });
}

/** The hooks are in the initramfs that is made in the image. @throws Fault INVALID_INPUT */
function refuseGivenBootFiles({ prepare, kernel, initrd }: ImportVdiskInput): void {
  if (prepare !== true || (kernel === undefined && initrd === undefined)) return;
  const field = kernel === undefined ? 'initrd' : 'kernel';
  throw new Fault(
    'INVALID_INPUT',
    'an image that is prepared boots with its own kernel and initrd',
    {
      field,
      value: kernel ?? initrd,
      expected: 'no kernel and no initrd, or no prepare',
    },
  );
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
): Promise<ImportedVdisk> {
  try {
    signal.throwIfAborted(); // cancelled in the turn it was started in
    if (typeof image === 'string') {
      const file = { path: image, remove: async () => undefined };
      return await importFile(control, wanted, file, report, signal);
    }
    const get = wanted.prepare === undefined ? image : preparedCopy(control, wanted, image);
    const file = await get(share(report, 0, GET_PERCENT), signal);
    try {
      const rest = share(report, GET_PERCENT, 100);
      return await importFile(control, wanted, file, rest, signal);
    } finally {
      await file.remove();
    }
  } catch (error) {
    tellFailure(control, wanted.name, signal.aborted ? signal.reason : error);
    throw error;
  }
}

/** What counts up to 100 counts from one percentage of the whole to another. */
function share(report: ReportProgress, from: number, to: number): ReportProgress {
  return (done, message) => report(from + (done * (to - from)) / 100, message);
}

/** The image as its preparation leaves it: in a copy. Getting the image counts for as much as preparing it. */
function preparedCopy(control: Control, wanted: Import, image: GetImage): GetImage {
  return async (report, signal) => {
    const file = await image(share(report, 0, 50), signal);
    try {
      const { origin: name, format, prepare } = wanted;
      const request = { path: file.path, name, format, install: prepare?.install === true };
      const result = await control.preparer.prepare(request, share(report, 50, 100), signal);
      const { changed, notes } = result;
      return { ...result, prepared: { changed, notes } };
    } finally {
      await file.remove();
    }
  };
}

async function importFile(
  control: Control,
  wanted: Import,
  file: ImageFile,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<ImportedVdisk> {
  const { kernel, initrd, repositoryId } = wanted;
  const { path, format = wanted.format } = file;
  const progress = (done: ImportProgress): void => report(percent(done), 'importing');
  const request = { path, format, kernel, initrd, repositoryId };
  const layer = await control.images.importImage(request, progress, signal);
  return keepLayer(control, wanted, { layer, prepared: file.prepared }, signal);
}

function percent({ bytesDone, bytesTotal }: ImportProgress): number {
  return bytesTotal === 0 ? 0 : Math.min(99, (bytesDone / bytesTotal) * 100);
}

/** The layer becomes version 1 of the vDisk, or goes again. */
async function keepLayer(
  control: Control,
  wanted: Import,
  made: { readonly layer: ImportedLayer; readonly prepared: ImportedVdisk['prepared'] },
  signal: AbortSignal,
): Promise<ImportedVdisk> {
  const { layer, prepared } = made;
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
      if (prepared === undefined) return vdiskView(control, vdisk);
      record({
        kind: 'vdisk.prepared',
        subject: `vdisk/${vdisk.name}`,
        message: `the image of vDisk ${vdisk.name} was prepared: ${prepared.changed.length} changes`,
        data: prepared,
      });
      return { ...vdiskView(control, vdisk), prepared };
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
