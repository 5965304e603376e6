/**
 * Fewer layers for the same content (docs/adr/0014). The version stays what it is; machines that run keep
 * the chain that they have open.
 */
import { Fault } from '../../../errors/index.ts';
import { isSealed, type SealedVersion, type VersionRecord } from '../../catalog/records.ts';
import type { Control, RecordEvent } from '../../control.ts';
import type { MergeMode, StoredLayer } from '../../ports.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { MergeVersionInput, VersionView } from '../../schemas/version.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';
import { collectLayers } from '../../versions/collect-layers.ts';
import { insertLayer } from '../../versions/layer-records.ts';
import { requireAction, VersionSituations, versionSubject } from '../../versions/situation.ts';
import { taskView } from '../task-view.ts';
import { findVersion } from './find-version.ts';
import { progressOf } from './progress-of.ts';
import { versionView } from './version-view.ts';

/** @throws Fault NOT_FOUND, IN_USE. The task fails with what ImageStore.merge throws. */
export function mergeVersion(
  control: Control,
  vdiskName: string,
  number: number,
  { mode }: MergeVersionInput,
): TaskView {
  const { vdisk, version } = findVersion(control.catalog, vdiskName, number);
  const situations = new VersionSituations(control, vdisk);
  requireAction(situations, version, 'merge');
  if (!isWorthIt(mode, situations.depth(version))) {
    throw new Fault(
      'IN_USE',
      `version ${number} of vDisk ${vdiskName} is one difference over its base already`,
      { field: 'mode', value: mode, expected: 'full, for a base of its own' },
    );
  }
  return startMerge(control, vdiskName, version, mode);
}

/** Whether there is anything to merge. @param depth layers that it is made of */
export function isWorthIt(mode: MergeMode, depth: number): boolean {
  return depth > (mode === 'full' ? 1 : 2);
}

/** The same, for who has looked already. @throws Fault LIMIT_EXCEEDED, UNAVAILABLE */
export function startMerge(
  control: Control,
  vdiskName: string,
  version: VersionRecord,
  mode: MergeMode,
): TaskView {
  if (!isSealed(version)) throw new Fault('INTERNAL', 'an open version was let through');
  const subject = versionSubject(vdiskName, version.number);
  const task = control.tasks.start('version.merge', subject, (report, signal) =>
    runMerge(control, { vdiskName, version, mode }, report, signal),
  );
  return taskView(task);
}

interface Merge {
  readonly vdiskName: string;
  readonly version: SealedVersion;
  readonly mode: MergeMode;
}

async function runMerge(
  control: Control,
  merge: Merge,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<VersionView> {
  signal.throwIfAborted();
  const { mode, version } = merge;
  const { images } = control;
  const request = { layerId: version.layerId, mode };
  const layer = await images.merge(request, progressOf(report, 'merging'), signal);
  let view: VersionView;
  try {
    signal.throwIfAborted();
    view = control.change((record) => replaceLayer(control, record, merge, layer));
  } catch (error) {
    await images.removeLayer(layer.layerId, layer.volumeId);
    throw error;
  }
  await collectLayers(control);
  return view;
}

function replaceLayer(
  control: Control,
  record: RecordEvent,
  { vdiskName, version, mode }: Merge,
  layer: StoredLayer,
): VersionView {
  const { layers, versions } = control.catalog;
  const { vdisk, version: current } = findVersion(control.catalog, vdiskName, version.number);
  const old = layers.byId(version.layerId);
  if (old === undefined || !isSealed(current) || current.layerId !== old.id) {
    throw new Fault('UNAVAILABLE', `version ${version.number} of ${vdiskName} changed meanwhile`);
  }
  const [base] = layers.chain(old.id);
  insertLayer(control, layer, mode === 'full' ? undefined : base?.id);
  versions.moveToLayer(old.id, layer.layerId);
  layers.replace(old.id, layer.layerId);
  record({
    kind: 'version.merged',
    subject: versionSubject(vdiskName, version.number),
    message: `the layers of version ${version.number} of ${vdiskName} are merged (${mode})`,
    data: { mode, contentId: layer.contentId, ownBytes: layer.ownBytes },
  });
  const situations = new VersionSituations(control, vdisk);
  const merged = versions.byNumber(vdisk.id, version.number) ?? current;
  return versionView(situations, merged, control);
}
