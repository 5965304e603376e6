/** What the control plane asks of the service for copies of vDisks' layers in other repositories. */
import type { ImportProgress } from './ports.ts';

export interface LayerCopyRequest {
  readonly layerId: string;
  readonly repositoryId: string;
}

export interface LayerReplicas {
  /**
   * Copies a layer's volume into a repository and compares the copy with the layer's manifest; then, and only then,
   * `keep` is called with its id there. When anything fails, or `keep` throws, there is no copy: what cannot be
   * deleted at once is a leftover of the repository.
   * @throws Fault IMAGE_INVALID (the copy is not what the manifest says), UNAVAILABLE, UNREACHABLE, NO_SPACE,
   *   CANCELLED, NOT_FOUND
   */
  copy(
    request: LayerCopyRequest,
    keep: (volumeId: string) => void,
    progress: (progress: ImportProgress) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Deletes the volume of a copy that the catalog has forgotten; where nobody reaches it, later. */
  remove(repositoryId: string, volumeId: string): Promise<void>;
  /** Somebody may have this copy open. */
  isRead(layerId: string, repositoryId: string): boolean;
}
