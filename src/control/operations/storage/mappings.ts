/** Which hosts reach a volume: the storage is asked, the catalog only knows what hosts there are. */
import type { Control } from '../../control.ts';
import type { ForceInput } from '../../schemas/repository.ts';
import type { MappingView, MapVolumeInput } from '../../schemas/stored-volume.ts';
import { currentHost } from '../../storage/current-host.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import { requireAttached, volumeNameOf, volumeSubject } from '../../storage/names.ts';
import { refuseReplica } from '../../storage/refuse-replica.ts';
import { inTurn } from '../../storage/turns.ts';
import { withoutSecrets } from '../../storage/without-secrets.ts';
import type { VolumeMapping } from '../../storage-port.ts';
import { findHost, findVolume } from './find-storage.ts';

/** @throws Fault NOT_FOUND, UNREACHABLE, UNSUPPORTED */
export async function listMappings(
  control: Control,
  repositoryName: string,
  name: string,
): Promise<readonly MappingView[]> {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  requireAttached(control, repository);
  return (await control.storage.mappings(volumeNameOf(volume))).map(mappingView);
}

/** Again with the same host and mode: as it is. @throws Fault NOT_FOUND, ALREADY_EXISTS (another mode), UNREACHABLE, UNSUPPORTED */
export async function mapVolume(
  control: Control,
  repositoryName: string,
  name: string,
  { host: hostName, mode = 'rw', chap }: MapVolumeInput,
): Promise<MappingView> {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  if (mode === 'rw') refuseReplica(volume, 'mapped to be written');
  const { id: hostId } = findHost(control.catalog, hostName, 'mapping.host');
  requireAttached(control, repository);
  const secrets = { password: chap?.password ?? '', mutual: chap?.mutual?.password ?? '' };
  return inTurn(control, [volume.id], async () => {
    const current = currentVolume(control, volume.id);
    if (mode === 'rw') refuseReplica(current, 'mapped to be written');
    const now = volumeNameOf(current);
    const { name: host, iqns, addresses } = currentHost(control, hostId);
    const request = {
      host: { name: host, iqns, addresses },
      mode,
      ...(chap === undefined ? {} : { chap }),
    };
    const mapping = await withoutSecrets(secrets, () => control.storage.map(now, request));
    control.change((record) =>
      record({
        kind: 'volume.mapped',
        subject: volumeSubject(repositoryName, name),
        message: `volume ${repositoryName}/${name} is mapped to host ${host} (${mode})`,
        data: { host, mode, chap: chap !== undefined },
      }),
    );
    return mappingView(mapping);
  });
}

/** @param hostName undefined: all hosts. @throws Fault NOT_FOUND, IN_USE (a host has it open, without `force`) … */
export async function unmapVolume(
  control: Control,
  repositoryName: string,
  name: string,
  hostName: string | undefined,
  { force = false }: ForceInput = {},
): Promise<void> {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  requireAttached(control, repository);
  await inTurn(control, [volume.id], async () => {
    const now = volumeNameOf(currentVolume(control, volume.id));
    await control.storage.unmap(now, hostName, { force });
    const from = hostName === undefined ? 'all hosts' : `host ${hostName}`;
    control.change((record) =>
      record({
        kind: 'volume.unmapped',
        subject: volumeSubject(repositoryName, name),
        message: `volume ${repositoryName}/${name} is not mapped to ${from} any more`,
        data: { host: hostName, force },
      }),
    );
  });
}

function mappingView(mapping: VolumeMapping): MappingView {
  const { host, mode, lun, sessions, portals, iqn, path } = mapping;
  return {
    host,
    mode,
    lun: lun ?? null,
    sessions: [...sessions],
    portals: [...portals],
    iqn: iqn ?? null,
    path: path ?? null,
  };
}
