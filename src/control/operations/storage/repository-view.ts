import type { RepositoryRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import type { RepositoryView, SpaceView } from '../../schemas/repository.ts';
import type { MeasuredSpace } from '../../storage/measured-spaces.ts';
import { usedPercent } from '../../storage/watermarks.ts';
import { iso } from '../time-view.ts';

export function repositoryView(control: Control, repository: RepositoryRecord): RepositoryView {
  const { id, name, description, kind, state, reason, settings, createdAt } = repository;
  const { catalog, spaces } = control;
  const space = spaces.get(id);
  // After a start, until it has been reached.
  const isAwaited = state === 'attached' && !control.storage.isAttached(id);
  return {
    id,
    name,
    description,
    kind,
    state: isAwaited ? 'unreachable' : state,
    reason: isAwaited ? 'it is being attached' : (reason ?? null),
    settings: viewOfSettings(settings),
    secretsSet: [...catalog.secrets.fields(id)],
    info: infoView(repository),
    capabilities: repository.capabilities ?? null,
    space: space === undefined ? null : spaceView(space),
    spaceLevel: repository.spaceLevel,
    warningPercent: repository.warningPercent,
    criticalPercent: repository.criticalPercent,
    volumes: catalog.volumes.count(id),
    snapshots: catalog.snapshots.count(id),
    overlays: catalog.overlayPlaces.count(id),
    createdAt: iso(createdAt),
  };
}

export function spaceView({ total, free, provisioned, ...space }: MeasuredSpace): SpaceView {
  return {
    total,
    free,
    usedPercent: usedPercent({ total, free }),
    provisioned: provisioned ?? null,
    measuredAt: iso(space.measuredAt),
  };
}

export function viewOfSettings(settings: RepositoryRecord['settings']): RepositoryView['settings'] {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      typeof value === 'object' ? [...value] : value,
    ]),
  );
}

function infoView({ info }: RepositoryRecord): RepositoryView['info'] {
  if (info === undefined) return null;
  const { vendor, product, version, serial, limits } = info;
  const { volumes, snapshotsPerVolume, cloneDepth, sizeGranularity, sizeMinimum } = limits;
  const { sizeMaximum, nameLength } = limits;
  return {
    vendor,
    product,
    version,
    serial,
    limits: {
      volumes: volumes ?? null,
      snapshotsPerVolume: snapshotsPerVolume ?? null,
      cloneDepth: cloneDepth ?? null,
      sizeGranularity,
      sizeMinimum,
      sizeMaximum,
      nameLength,
    },
  };
}
