/**
 * What can be done with a version now, and if not, why. Asked by the operations before they do it, and
 * shown with every version, so that the two never differ.
 */
import { isSealed, type VdiskRecord, type VersionRecord } from '../catalog/records.ts';
import { toldNames } from '../values/told-names.ts';
import { isReleased, productionVersion } from './which-version.ts';

export const VERSION_ACTIONS = [
  'seal',
  'discard',
  'promote',
  'demote',
  'schedule',
  'revertTo',
  'pin',
  'derive',
  'merge',
  'verify',
  'export',
  'delete',
] as const;
export type VersionAction = (typeof VERSION_ACTIONS)[number];

/** All that the answers depend on. */
export interface VersionSituation {
  readonly vdisk: Pick<VdiskRecord, 'name' | 'pinnedVersion'>;
  readonly version: VersionRecord;
  /** All of the vDisk's, oldest first. */
  readonly versions: readonly VersionRecord[];
  readonly now: number;
  /** Layers below it, itself included. */
  readonly depth: number;
  /** In maintenance: a machine has had it open, so that there is something to seal. */
  readonly isBegun: boolean;
  /** Machines by name, told in reasons. */
  readonly writers: readonly string[];
  readonly pinnedBy: readonly string[];
  /** Persistent write caches that stand on it; while it is being deleted, all of them. */
  readonly keptBy: readonly string[];
  /** Another task works on it: what it does. */
  readonly busy: string | undefined;
}

/** @returns why not; undefined: it is possible */
export function refusalOf(action: VersionAction, at: VersionSituation): string | undefined {
  if (at.version.state === 'deleting' && action !== 'export' && action !== 'verify') {
    return beingDeleted(at);
  }
  switch (action) {
    case 'seal':
      return at.busy ?? notOpen(at) ?? written(at) ?? notBegun(at);
    case 'discard':
      return at.busy ?? notOpen(at) ?? written(at);
    case 'promote':
      return notSealed(at) ?? promoted(at);
    case 'schedule':
      return notSealed(at) ?? released(at);
    case 'demote':
      return notDemotable(at);
    case 'revertTo':
      return notSealed(at) ?? boots(at);
    case 'derive':
      return notSealed(at) ?? maintained(at);
    case 'pin':
    case 'export':
    case 'verify':
      return notSealed(at);
    case 'merge':
      return at.busy ?? notSealed(at) ?? merged(at);
    case 'delete':
      return at.busy ?? notSealed(at) ?? needed(at);
  }
}

function beingDeleted({ keptBy }: VersionSituation): string {
  const why = keptBy.length === 0 ? '' : `; the write cache of ${toldNames(keptBy)} stands on it`;
  return `it is being deleted: it goes when its last reader has left${why}`;
}

function notOpen({ version }: VersionSituation): string | undefined {
  return isSealed(version)
    ? `it is sealed: a version in ${version.state} never changes`
    : undefined;
}

function written({ writers }: VersionSituation): string | undefined {
  return writers.length === 0
    ? undefined
    : `${toldNames(writers)} is writing it; turn it off first`;
}

function notBegun({ isBegun }: VersionSituation): string | undefined {
  return isBegun ? undefined : 'no machine has booted it yet: there is nothing to seal';
}

function notSealed({ version }: VersionSituation): string | undefined {
  return isSealed(version) ? undefined : 'it is in maintenance; seal it first';
}

function promoted(at: VersionSituation): string | undefined {
  return isReleased(at.version, at.now) ? 'it is in production already' : undefined;
}

function released(at: VersionSituation): string | undefined {
  return isReleased(at.version, at.now) ? 'it is released already; demote it first' : undefined;
}

function notDemotable({ version }: VersionSituation): string | undefined {
  switch (version.state) {
    case 'production':
      return undefined;
    case 'test':
      return 'a sealed version never changes: make a maintenance version from it (derive)';
    case 'maintenance':
      return 'it is in maintenance already';
    case 'deleting':
      return 'it is being deleted';
  }
}

/** What production machines boot now. */
function boots({ vdisk, version, versions, now }: VersionSituation): string | undefined {
  const choice = productionVersion(vdisk, versions, now);
  return choice.kind === 'sealed' && choice.version.id === version.id
    ? 'it is what production machines boot already'
    : undefined;
}

function maintained({ versions }: VersionSituation): string | undefined {
  const open = versions.find((version) => version.state === 'maintenance');
  return open === undefined
    ? undefined
    : `version ${open.number} is in maintenance; seal or discard it first`;
}

function merged({ depth }: VersionSituation): string | undefined {
  return depth > 1 ? undefined : 'it is one layer already';
}

function needed(at: VersionSituation): string | undefined {
  const { vdisk, version, versions, pinnedBy, keptBy } = at;
  if (vdisk.pinnedVersion === version.number) return 'the vDisk is pinned to it';
  if (pinnedBy.length > 0) return `${toldNames(pinnedBy)} is pinned to it`;
  if (keptBy.length > 0) return `the persistent write cache of ${toldNames(keptBy)} stands on it`;
  if (boots(at) !== undefined) return 'it is what production machines boot';
  const sealed = versions.filter((one) => isSealed(one) && one.state !== 'deleting');
  return sealed.length === 1 ? 'it is the only one; delete the vDisk' : undefined;
}
