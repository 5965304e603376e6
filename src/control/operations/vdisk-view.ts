import type { VdiskRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { VdiskView } from '../schemas/vdisk.ts';
import { type LayerFacts, VersionSituations } from '../versions/situation.ts';
import { productionVersion } from '../versions/which-version.ts';
import { iso } from './time-view.ts';
import { versionView } from './versions/version-view.ts';

/** null: the service's own. */
function repositoryName({ catalog }: Control, { repositoryId }: VdiskRecord): string | null {
  if (repositoryId === undefined) return null;
  return catalog.repositories.byId(repositoryId)?.name ?? null;
}

/** @param layers given where several are looked at */
export function vdiskView(control: Control, vdisk: VdiskRecord, layers?: LayerFacts): VdiskView {
  const { catalog, dataPlane, clock } = control;
  const situations = new VersionSituations(control, vdisk, layers);
  const choice = productionVersion(vdisk, situations.versions, clock.now());
  const production = choice.kind === 'sealed' ? choice.version : undefined;
  return {
    id: vdisk.id,
    name: vdisk.name,
    description: vdisk.description,
    createdAt: iso(vdisk.createdAt),
    production: production?.number ?? null,
    pinnedVersion: vdisk.pinnedVersion ?? null,
    ...catalog.vdisks.bootPolicy(vdisk.id),
    repository: repositoryName(control, vdisk),
    size: production?.size ?? 0,
    dataBytes: production?.dataBytes ?? 0,
    bootable: production?.bootFiles.kernel !== undefined,
    machines: catalog.machines.ofVdisk(vdisk.id).length,
    connections: dataPlane.vdiskConnections(vdisk.id),
    export: `vdisk/${vdisk.name}`,
    versions: situations.versions.map((version) => versionView(situations, version, control)),
  };
}
