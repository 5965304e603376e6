/**
 * What NBD exports are called: `machine/NAME` (and `machine/NAME@SESSION`, machine-sessions.ts), `vdisk/NAME`, `vdisk/NAME/VERSION`, `volume/REPO/NAME`,
 * `volume/REPO/NAME@SNAPSHOT`.
 */
import { type Catalog, type VdiskDisk, vdiskDisk, versionDisk } from '../control/index.ts';
import { Fault } from '../errors/index.ts';

export const MACHINE = 'machine/';
export const VDISK = 'vdisk/';
export const VOLUME = 'volume/';

/**
 * What production machines boot of a vDisk, or one version of it.
 * @throws Fault EXPORT_NOT_FOUND
 */
export function vdiskExport(catalog: Catalog, exportName: string, now: number): VdiskDisk {
  const [name = '', version] = exportName.slice(VDISK.length).split('/', 2);
  const disk =
    version === undefined
      ? vdiskDisk(catalog, name, now)
      : versionDisk(catalog, name, /^[1-9][0-9]{0,8}$/.test(version) ? Number(version) : 0);
  if (disk === undefined) throw noExport(exportName);
  return disk;
}

/** The message goes into logs: what follows a `?` may be somebody's session (xen/nbd-name.ts), and is not repeated. */
export function noExport(name: string): Fault {
  const [shown = ''] = name.split('?', 1);
  return new Fault('EXPORT_NOT_FOUND', `no export named ${JSON.stringify(shown)}`);
}
