import { isSealed, type VersionRecord } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import type { VersionView } from '../../schemas/version.ts';
import type { VersionSituations } from '../../versions/situation.ts';
import {
  refusalOf,
  VERSION_ACTIONS,
  type VersionAction,
  type VersionSituation,
} from '../../versions/version-actions.ts';
import { isReleased } from '../../versions/which-version.ts';
import { iso, isoOrNull } from '../time-view.ts';

export function versionView(
  situations: VersionSituations,
  version: VersionRecord,
  control: Control,
): VersionView {
  const at = situations.of(version);
  const layer = situations.layer(version);
  const { bootFiles } = version;
  return {
    number: version.number,
    state: version.state,
    released: isReleased(version, at.now),
    releaseAt: isSealed(version) ? isoOrNull(version.releaseAt) : null,
    private: !isSealed(version) && version.isPrivate,
    description: version.description,
    parent: version.parentNumber ?? null,
    layerId: layer?.id ?? null,
    contentId: layer?.contentId ?? null,
    size: version.size,
    dataBytes: isSealed(version) ? version.dataBytes : 0,
    ownBytes: layer?.ownBytes ?? control.dataPlane.overlay(version.id)?.usedBytes ?? 0,
    depth: at.depth,
    format: version.format,
    kernel: bootFiles.kernel ?? null,
    initrd: bootFiles.initrd ?? null,
    initramfs: bootFiles.initramfs,
    rootPartition: bootFiles.rootPartition,
    rootFilesystem: bootFiles.rootFilesystem ?? null,
    kernelArguments: version.kernelArguments,
    createdAt: iso(version.createdAt),
    sealedAt: isSealed(version) ? iso(version.sealedAt) : null,
    verifiedAt: isoOrNull(layer?.verifiedAt),
    damagedChunks: situations.damagedChunks(version),
    inUse: situations.isRead(version),
    writer: at.writers[0] ?? null,
    actions: actionsOf(at),
  };
}

function actionsOf(at: VersionSituation): VersionView['actions'] {
  const answer = (action: VersionAction) => {
    const reason = refusalOf(action, at);
    return { possible: reason === undefined, reason: reason ?? null };
  };
  return Object.fromEntries(
    VERSION_ACTIONS.map((action) => [action, answer(action)]),
  ) as VersionView['actions'];
}
