import type { Control } from '../../control.ts';
import type { UpdateVdiskInput, VdiskView } from '../../schemas/vdisk.ts';
import { requireAction, VersionSituations } from '../../versions/situation.ts';
import { findVdisk } from '../find.ts';
import { parseOverlayRepository } from '../vdisk-repositories.ts';
import { vdiskView } from '../vdisk-view.ts';
import { findVersion } from './find-version.ts';

/**
 * @throws Fault NOT_FOUND (the vDisk, the version, the repository), IN_USE (a version that cannot be booted),
 *   UNAVAILABLE (a repository that is not attached)
 */
export function updateVdisk(control: Control, name: string, input: UpdateVdiskInput): VdiskView {
  return control.change((record) => {
    const { catalog } = control;
    const vdisk = findVdisk(catalog, name);
    const { description = vdisk.description, pinnedVersion, overlayRepository } = input;
    if (typeof pinnedVersion === 'number') {
      const { version } = findVersion(catalog, name, pinnedVersion, 'pinnedVersion');
      requireAction(new VersionSituations(control, vdisk), version, 'pin');
    }
    const changed = {
      ...vdisk,
      description,
      pinnedVersion:
        pinnedVersion === undefined ? vdisk.pinnedVersion : (pinnedVersion ?? undefined),
      overlayRepositoryId:
        overlayRepository === undefined
          ? vdisk.overlayRepositoryId
          : parseOverlayRepository(control, overlayRepository ?? undefined),
    };
    catalog.vdisks.update(changed);
    const policy = catalog.vdisks.bootPolicy(vdisk.id);
    const { onCacheImpossible = policy.onCacheImpossible, sshHostKeys = policy.sshHostKeys } =
      input;
    catalog.vdisks.setBootPolicy(vdisk.id, { onCacheImpossible, sshHostKeys });
    record({
      kind: 'vdisk.changed',
      subject: `vdisk/${name}`,
      message: sentence(name, input),
      data: { ...input },
    });
    return vdiskView(control, changed);
  });
}

function sentence(name: string, { pinnedVersion, overlayRepository }: UpdateVdiskInput): string {
  if (overlayRepository !== undefined) {
    const where = overlayRepository === null ? "the service's own repository" : overlayRepository;
    return `write caches of ${name} are made in ${where} from now on`;
  }
  if (pinnedVersion === undefined) return `vDisk ${name} changed`;
  return pinnedVersion === null
    ? `vDisk ${name} is not pinned any more`
    : `vDisk ${name} is pinned to version ${pinnedVersion}`;
}
