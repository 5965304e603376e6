/** Reads what versions are made of and compares it with their manifests. */
import type { Catalog } from '../../catalog/catalog.ts';
import { isSealed, type VersionRecord } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { MAX_DAMAGE_TOLD } from '../../limits.ts';
import type { DamagedChunk, VerifiedLayer } from '../../ports.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';
import { requireAction, VersionSituations } from '../../versions/situation.ts';
import { findVdisk } from '../find.ts';
import { taskView } from '../task-view.ts';
import { findVersion } from './find-version.ts';
import { progressOf } from './progress-of.ts';

export interface VerifyResult {
  readonly layers: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly damagedChunks: number;
  /** The first of them. */
  readonly damaged: readonly DamagedChunk[];
}

/**
 * Of one version with everything it stands on, or of all.
 * @throws Fault NOT_FOUND, IN_USE (it is in maintenance)
 */
export function verifyVdisk(control: Control, vdiskName: string, number?: number): TaskView {
  const vdisk = findVdisk(control.catalog, vdiskName); // or it is refused at once
  if (number !== undefined) {
    const { version } = findVersion(control.catalog, vdiskName, number);
    requireAction(new VersionSituations(control, vdisk), version, 'verify');
  }
  const subject = number === undefined ? `vdisk/${vdiskName}` : `vdisk/${vdiskName}/${number}`;
  const task = control.tasks.start('vdisk.verify', subject, (report, signal) =>
    verifyLayers(control, { layerIds: layersOf(control, vdiskName, number) }, report, signal),
  );
  return taskView(task);
}

/** Of what the versions are made now: by the time that it is read, some may have been merged. */
function layersOf(
  { catalog }: Control,
  vdiskName: string,
  number: number | undefined,
): readonly string[] {
  const versions =
    number === undefined
      ? catalog.versions.ofVdisk(findVdisk(catalog, vdiskName).id)
      : [findVersion(catalog, vdiskName, number).version];
  const chains = versions.filter(isSealed).map(({ layerId }) => catalog.layers.chain(layerId));
  return [...new Set(chains.flat().map(({ id }) => id))];
}

/** @param what.bytesPerSecond undefined: as fast as it goes */
export async function verifyLayers(
  control: Control,
  what: {
    readonly layerIds: readonly string[];
    readonly bytesPerSecond?: number;
  },
  report: ReportProgress,
  signal: AbortSignal,
): Promise<VerifyResult> {
  const { layerIds, bytesPerSecond } = what;
  let result: VerifyResult = { layers: 0, chunks: 0, bytes: 0, damagedChunks: 0, damaged: [] };
  const each = (layer: VerifiedLayer): void => {
    result = {
      layers: result.layers + 1,
      chunks: result.chunks + layer.chunks,
      bytes: result.bytes + layer.bytes,
      damagedChunks: result.damagedChunks + layer.damagedChunks,
      damaged: [...result.damaged, ...layer.damaged].slice(0, MAX_DAMAGE_TOLD),
    };
    keepVerified(control, layer);
  };
  const progress = progressOf(report, 'verifying');
  await control.images.verify({ layerIds, bytesPerSecond }, each, progress, signal);
  return result;
}

function keepVerified(control: Control, layer: VerifiedLayer): void {
  const { catalog, clock } = control;
  control.change((record) => {
    const before = catalog.layers.byId(layer.layerId);
    if (before === undefined) return; // merged away meanwhile
    catalog.layers.checked(layer.layerId, clock.now(), layer.damagedChunks);
    if (layer.damagedChunks === 0) return;
    const [first] = layer.damaged;
    const where = first === undefined ? '' : `; the first is chunk ${first.chunk}: ${first.reason}`;
    for (const { version, isOwn } of concerned(catalog, layer.layerId)) {
      const name = catalog.vdisks.byId(version.vdiskId)?.name ?? version.vdiskId;
      const what = isOwn ? 'of' : 'of a layer below';
      record({
        kind: 'version.damaged',
        subject: `vdisk/${name}/${version.number}`,
        message: `${layer.damagedChunks} chunks ${what} version ${version.number} of ${name} are damaged${where}`,
        data: { layerId: layer.layerId, damaged: layer.damaged },
      });
    }
  });
}

interface Concerned {
  readonly version: VersionRecord;
  /** The layer is its own; otherwise it stands on it. */
  readonly isOwn: boolean;
}

/** The versions whose layer it is; where none has it any more, the oldest of each vDisk that stands on it. */
function concerned(catalog: Catalog, layerId: string): readonly Concerned[] {
  const own = catalog.versions.ofLayer(layerId);
  if (own.length > 0) return own.map((version) => ({ version, isOwn: true }));
  const standsOn = (version: VersionRecord): boolean =>
    catalog.layers
      .chain(isSealed(version) ? version.layerId : version.baseLayerId)
      .some(({ id }) => id === layerId);
  return [...catalog.versions.allByVdisk().values()].flatMap((versions) => {
    const version = versions.find(standsOn);
    return version === undefined ? [] : [{ version, isOwn: false }];
  });
}
