import { Fault } from '../../../errors/index.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { VdiskRecord, VersionRecord } from '../../catalog/records.ts';
import { findVdisk } from '../find.ts';

/** @throws Fault NOT_FOUND */
export function findVersion(
  catalog: Catalog,
  vdiskName: string,
  number: number,
  field = 'version.number',
): { readonly vdisk: VdiskRecord; readonly version: VersionRecord } {
  const vdisk = findVdisk(catalog, vdiskName);
  const version = catalog.versions.byNumber(vdisk.id, number);
  if (version !== undefined) return { vdisk, version };
  throw new Fault('NOT_FOUND', `vDisk ${vdiskName} has no version ${number}`, {
    field,
    value: number,
    expected: 'the number of a version (rootcast vdisk show)',
  });
}
