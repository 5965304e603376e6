/**
 * Maintenance ends: what was written becomes the version's layer. One change of the catalog makes it so,
 * when everything of the layer is on stable storage.
 */
import { Fault } from '../../../errors/index.ts';
import type { OpenVersion, SealedVersion } from '../../catalog/records.ts';
import type { Control, RecordEvent } from '../../control.ts';
import type { StoredLayer } from '../../ports.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { VersionView } from '../../schemas/version.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';
import { insertLayer } from '../../versions/layer-records.ts';
import { releaseLock, writeLock } from '../../versions/lease-lock.ts';
import { requireAction, VersionSituations, versionSubject } from '../../versions/situation.ts';
import { taskView } from '../task-view.ts';
import { consolidate } from './consolidate.ts';
import { findVersion } from './find-version.ts';
import { progressOf } from './progress-of.ts';
import { versionView } from './version-view.ts';

/** @throws Fault NOT_FOUND, IN_USE. The task fails with what ImageStore.seal throws. */
export function sealVersion(control: Control, vdiskName: string, number: number): TaskView {
  const { vdisk, version } = findVersion(control.catalog, vdiskName, number);
  requireAction(new VersionSituations(control, vdisk), version, 'seal');
  if (version.state !== 'maintenance')
    throw new Fault('INTERNAL', 'a sealed version was let through');
  const subject = versionSubject(vdiskName, number);
  const task = control.tasks.start('version.seal', subject, (report, signal) =>
    runSeal(control, vdiskName, version, report, signal),
  );
  return taskView(task);
}

async function runSeal(
  control: Control,
  vdiskName: string,
  version: OpenVersion,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<VersionView> {
  signal.throwIfAborted();
  const request = {
    ownerId: version.id,
    parentId: control.catalog.layers.resolve(version.baseLayerId),
    bootFiles: version.bootFiles,
  };
  const keep = (layer: StoredLayer): VersionView =>
    control.change((record) => keepSealed(control, record, vdiskName, version, layer));
  const view = await control.images.seal(request, keep, progressOf(report, 'sealing'), signal);
  consolidate(control, vdiskName, version.number);
  return view;
}

function keepSealed(
  control: Control,
  record: RecordEvent,
  vdiskName: string,
  before: OpenVersion,
  layer: StoredLayer,
): VersionView {
  const { catalog } = control;
  const { vdisk, version } = findVersion(catalog, vdiskName, before.number);
  if (version.id !== before.id || version.state !== 'maintenance') {
    throw new Fault('UNAVAILABLE', `version ${before.number} of ${vdiskName} changed meanwhile`);
  }
  insertLayer(control, layer, version.baseLayerId);
  const now = control.clock.now();
  const sealed: SealedVersion = {
    ...version,
    state: version.isPrivate ? 'production' : 'test',
    layerId: layer.layerId,
    contentId: layer.contentId,
    dataBytes: layer.dataBytes,
    bootFiles: layer.bootFiles,
    releaseAt: undefined,
    sealedAt: now,
  };
  catalog.versions.update(sealed);
  releaseLock(catalog, writeLock(version.id));
  record({
    kind: 'version.sealed',
    subject: versionSubject(vdiskName, version.number),
    message: `version ${version.number} of ${vdiskName} is sealed and in ${sealed.state}`,
    data: { contentId: layer.contentId, ownBytes: layer.ownBytes, state: sealed.state },
  });
  return versionView(new VersionSituations(control, vdisk), sealed, control);
}
