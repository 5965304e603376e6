/** What a machine has written becomes a version that others boot. */
import { Fault } from '../../../errors/index.ts';
import type { MachineRecord, SealedVersion, VdiskRecord } from '../../catalog/records.ts';
import { isSealed } from '../../catalog/records.ts';
import type { Control, RecordEvent } from '../../control.ts';
import { MAX_VERSIONS_PER_VDISK } from '../../limits.ts';
import type { StoredLayer } from '../../ports.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type {
  CaptureMachineInput,
  OverlayChangesView,
  VersionView,
} from '../../schemas/version.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';
import { NO_BOOT_FILES } from '../../values/no-boot-files.ts';
import { insertLayer } from '../../versions/layer-records.ts';
import { VersionSituations, versionSubject } from '../../versions/situation.ts';
import { findMachine } from '../find.ts';
import { taskView } from '../task-view.ts';
import { consolidate } from './consolidate.ts';
import { progressOf } from './progress-of.ts';
import { versionView } from './version-view.ts';

const KIND = 'machine.capture';

interface Capture {
  readonly machine: MachineRecord;
  readonly vdisk: VdiskRecord;
  readonly layerId: string;
  /** The version that its overlay stands on; undefined: that one is gone. */
  readonly version: SealedVersion | undefined;
}

/** How much it is. @throws Fault NOT_FOUND, IN_USE (it is on, or there is nothing to capture) */
export async function machineChanges(control: Control, name: string): Promise<OverlayChangesView> {
  const { machine, vdisk, version } = whatToCapture(control, name);
  const changes = await control.images.changes(machine.id);
  const share = changes.chunks === 0 ? 0 : changes.changedChunks / changes.chunks;
  return {
    machine: name,
    vdisk: vdisk.name,
    version: version?.number ?? null,
    ...changes,
    percent: Math.round(share * 10_000) / 100,
    partitions: changes.partitions.map((partition) => ({ ...partition })),
  };
}

/**
 * The write cache of a machine that is off becomes a version in test. The machine begins with an empty one.
 * @throws Fault NOT_FOUND, IN_USE, LIMIT_EXCEEDED. The task fails with what ImageStore.seal throws.
 */
export function captureMachine(
  control: Control,
  name: string,
  input: CaptureMachineInput = {},
): TaskView {
  const capture = whatToCapture(control, name);
  if (control.catalog.versions.ofVdisk(capture.vdisk.id).length >= MAX_VERSIONS_PER_VDISK) {
    throw new Fault('LIMIT_EXCEEDED', `vDisk ${capture.vdisk.name} has too many versions`, {
      field: 'vdisk.versions',
      value: MAX_VERSIONS_PER_VDISK,
      expected: `less than ${MAX_VERSIONS_PER_VDISK}`,
    });
  }
  const task = control.tasks.start(KIND, `machine/${name}`, (report, signal) =>
    runCapture(control, capture, input.description ?? '', report, signal),
  );
  return taskView(task);
}

async function runCapture(
  control: Control,
  capture: Capture,
  description: string,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<VersionView> {
  signal.throwIfAborted();
  const { machine, layerId, version } = capture;
  const bootFiles = version?.bootFiles ?? NO_BOOT_FILES;
  const request = { ownerId: machine.id, parentId: layerId, bootFiles };
  const keep = (layer: StoredLayer): VersionView =>
    control.change((record) => keepCaptured(control, record, capture, layer, description));
  const view = await control.images.seal(request, keep, progressOf(report, 'capturing'), signal);
  control.fullCaches.delete(machine.id);
  consolidate(control, capture.vdisk.name, view.number);
  return view;
}

function keepCaptured(
  control: Control,
  record: RecordEvent,
  { machine, vdisk, version }: Capture,
  layer: StoredLayer,
  description: string,
): VersionView {
  const { versions, vdisks, layers } = control.catalog;
  if (vdisks.byId(vdisk.id) === undefined) {
    throw new Fault('UNAVAILABLE', `vDisk ${vdisk.name} was deleted meanwhile`);
  }
  const parent = version === undefined ? undefined : versions.byId(version.id);
  const parentLayer = parent !== undefined && isSealed(parent) ? parent.layerId : undefined;
  const standsOn = control.dataPlane.overlay(machine.id)?.layerId;
  const parentId = parentLayer ?? (standsOn === undefined ? undefined : layers.resolve(standsOn));
  insertLayer(control, layer, parentId);
  const now = control.clock.now();
  const captured: SealedVersion = {
    id: control.newId(),
    vdiskId: vdisk.id,
    number: vdisks.nextVersion(vdisk.id),
    state: 'test',
    parentNumber: parent?.number,
    description,
    format: 'capture',
    layerId: layer.layerId,
    contentId: layer.contentId,
    size: layer.size,
    dataBytes: layer.dataBytes,
    bootFiles: layer.bootFiles,
    kernelArguments: parent?.kernelArguments ?? '',
    releaseAt: undefined,
    createdAt: now,
    sealedAt: now,
  };
  versions.insert(captured);
  record({
    kind: 'machine.captured',
    subject: `machine/${machine.name}`,
    message: `what ${machine.name} wrote is version ${captured.number} of ${vdisk.name}, in test`,
    data: { vdisk: vdisk.name, version: captured.number, ownBytes: layer.ownBytes },
  });
  record({
    kind: 'version.sealed',
    subject: versionSubject(vdisk.name, captured.number),
    message: `version ${captured.number} of ${vdisk.name} was captured from ${machine.name}`,
    data: { contentId: layer.contentId, ownBytes: layer.ownBytes, state: 'test' },
  });
  return versionView(new VersionSituations(control, vdisk), captured, control);
}

function whatToCapture(control: Control, name: string): Capture {
  const { catalog, dataPlane } = control;
  const machine = findMachine(catalog, name);
  const refuse = (why: string, field: string, value: unknown, expected: string): never => {
    throw new Fault('IN_USE', `machine ${name} cannot be captured: ${why}`, {
      field,
      value,
      expected,
    });
  };
  const connections = dataPlane.machineLive(machine.id).connections.length;
  if (connections > 0)
    refuse('it is on', 'machine.connections', connections, 'a machine that is off');
  if (machine.maintains !== undefined) {
    refuse(
      'it writes a version already: seal that',
      'machine',
      name,
      'a machine with a write cache',
    );
  }
  const overlay = dataPlane.overlay(machine.id);
  const vdisk = catalog.vdisks.byId(machine.vdiskId);
  if (overlay === undefined || vdisk === undefined) {
    throw new Fault('NOT_FOUND', `machine ${name} has no write cache`, {
      field: 'machine.cache',
      value: null,
      expected: 'a machine that has written something',
    });
  }
  const layerId = catalog.layers.resolve(overlay.layerId);
  const version = catalog.versions.ofLayer(layerId).find((one) => one.vdiskId === vdisk.id);
  return { machine, vdisk, layerId, version };
}
