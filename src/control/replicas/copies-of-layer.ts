/**
 * From which volume a layer is read. All copies of a layer are the same bytes, so it is only a question of which can
 * be reached: the one at home if it can, and else the oldest replica that can.
 */
import type { Catalog } from '../catalog/catalog.ts';
import type { LayerRecord } from '../catalog/records.ts';

/** A volume that has a layer's blocks. */
export interface LayerCopy {
  /** As layers name volumes: REPOSITORY/ID, or the id of one of the service's own. */
  readonly volumeId: string;
  /** undefined: the service's own, which is always there. */
  readonly repositoryId: string | undefined;
  readonly isReplica: boolean;
}

/** Which repositories there are, and which are attached. */
export interface Reach {
  readonly catalog: Catalog;
  readonly isAttached: (repositoryId: string) => boolean;
}

/** The repository in which a volume lies, and its id there. */
export function placeOf(volumeId: string): { readonly repositoryId?: string; readonly id: string } {
  const at = volumeId.indexOf('/');
  if (at < 0) return { id: volumeId };
  return { repositoryId: volumeId.slice(0, at), id: volumeId.slice(at + 1) };
}

/** What layers call a volume. */
export function volumeIdIn(repositoryId: string | undefined, id: string): string {
  return repositoryId === undefined ? id : `${repositoryId}/${id}`;
}

/** Where it is at home. */
export function homeOf({ volumeId }: LayerRecord): LayerCopy {
  return { volumeId, repositoryId: placeOf(volumeId).repositoryId, isReplica: false };
}

/** Where it is at home, first; then its replicas. */
export function copiesOf(
  catalog: Catalog,
  layer: LayerRecord,
): readonly [LayerCopy, ...LayerCopy[]] {
  const replicas = catalog.replicas.ofLayer(layer.id).map((replica) => ({
    volumeId: volumeIdIn(replica.repositoryId, replica.volumeId),
    repositoryId: replica.repositoryId,
    isReplica: true,
  }));
  return [homeOf(layer), ...replicas];
}

/** The copies in the order in which they are to be tried: those that are within reach before the others. */
export function copiesToRead(
  reach: Reach,
  layer: LayerRecord,
): readonly [LayerCopy, ...LayerCopy[]] {
  const copies = copiesOf(reach.catalog, layer);
  const first = copies.find(({ repositoryId }) => isReachable(reach, repositoryId)) ?? copies[0];
  return [first, ...copies.filter((copy) => copy !== first)];
}

/** The first of copiesToRead; where the one at home is within reach nobody is asked for replicas. */
export function copyToRead(reach: Reach, layer: LayerRecord): LayerCopy {
  const home = homeOf(layer);
  return isReachable(reach, home.repositoryId) ? home : copiesToRead(reach, layer)[0];
}

/** Attached, and answers as far as anybody knows. */
export function isReachable(
  { catalog, isAttached }: Reach,
  repositoryId: string | undefined,
): boolean {
  if (repositoryId === undefined) return true;
  return (
    isAttached(repositoryId) && catalog.repositories.byId(repositoryId)?.state !== 'unreachable'
  );
}
