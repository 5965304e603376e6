/** What is served under the names of `VDI.get_nbd_info`: any disk, to be read, for a session. */
import type { Catalog } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { StackPlan } from '../../exports/index.ts';
import type { DiskName } from '../../xenapi/index.ts';
import { noExport } from '../export-names.ts';
import type { LayerPlans } from '../layer-plans.ts';
import type { VolumeExports } from '../storage/volume-exports.ts';
import { parseDiskExport } from './nbd-name.ts';

/**
 * Which disk has this UUID, for a session.
 * @returns undefined: there is none, or none that can be read
 * @throws Fault PERMISSION_DENIED: the session is not there any more, or may not
 */
export type DiskResolver = (asked: {
  readonly uuid: string;
  /** A secret. */
  readonly session: string;
}) => { readonly disk: DiskName } | undefined;

export interface NbdDiskParts {
  readonly catalog: Pick<Catalog, 'versions'>;
  readonly volumes: Pick<VolumeExports, 'openDisk'> | undefined;
  readonly layers: LayerPlans;
}

/**
 * The session counts in the moment in which it is opened: a connection goes on when the session ends, as with
 * xapi-nbd. A volume is read as it is, while others write it.
 * @param name of the export
 * @throws Fault EXPORT_NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE, IN_USE (it is being written as a whole). Never with
 *   the session in it
 */
export async function openNbdDisk(
  parts: NbdDiskParts,
  resolver: DiskResolver | undefined,
  name: string,
): Promise<StackPlan> {
  const { uuid, session, shown } = parseDiskExport(name);
  const found = resolver === undefined ? undefined : resolved(resolver, uuid, session, shown);
  if (found === undefined) throw noExport(shown);
  const { disk } = found;
  try {
    if (!('versionId' in disk)) {
      if (parts.volumes === undefined) throw noExport(shown);
      return await parts.volumes.openDisk(disk, { name: shown, kind: 'look' });
    }
    const version = parts.catalog.versions.byId(disk.versionId);
    if (version?.state === 'maintenance' || version?.layerId === undefined) throw noExport(shown);
    return await parts.layers.plan(shown, version.layerId, 'disk, read-only');
  } catch (error) {
    if (error instanceof Fault && error.code === 'NOT_FOUND') throw noExport(shown);
    throw error;
  }
}

function resolved(
  resolver: DiskResolver,
  uuid: string,
  session: string | undefined,
  shown: string,
): ReturnType<DiskResolver> {
  const denied = (): Fault =>
    new Fault('PERMISSION_DENIED', `${shown} is read with the session_id of a session`);
  if (session === undefined) throw denied();
  try {
    return resolver({ uuid, session });
  } catch (error) {
    // Whatever it says, it may say it of the session.
    if (error instanceof Fault && error.code === 'PERMISSION_DENIED') throw denied();
    throw new Fault('INTERNAL', `${shown} could not be looked up`);
  }
}
