/** What a qcow2 image that we write is made of: clusters, as large as a chunk of the disk. Pure. */
import { CHUNK_BYTES } from '../manifest/index.ts';

/** One cluster is one chunk: what is absent from the disk is absent from the image. */
export const QCOW2_CLUSTER_BYTES = CHUNK_BYTES;
export const QCOW2_CLUSTER_BITS = Math.log2(QCOW2_CLUSTER_BYTES);

/** A cluster of the disk on its way into the image. */
export interface DiskCluster {
  /** Where it is on the disk, in clusters. */
  readonly index: number;
  /**
   * `plain`: a whole cluster as it is. `packed`: a compressed one, shorter. `zero`: a cluster that was
   * promised a place in the file and turned out to be zeroes: the place stays free.
   */
  readonly kind: 'plain' | 'packed' | 'zero';
  readonly bytes: Buffer;
}
