/** The clusters of a window, as the image will have them: left out, as they are, or compressed. */
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { forEachOf } from '../../base/index.ts';
import { ZEROES } from '../../block/index.ts';
import { type DiskWindow, wantedChunks } from './disk-windows.ts';
import { COMPRESSIONS_AT_ONCE, ZSTD_LEVEL } from './limits.ts';
import { type DiskCluster, QCOW2_CLUSTER_BITS, QCOW2_CLUSTER_BYTES } from './qcow2-cluster.ts';
import { isZero } from './zero-runs.ts';

const zstd = promisify(zstdCompress);

const ZSTD_OPTIONS = {
  params: {
    [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
    [constants.ZSTD_c_windowLog]: QCOW2_CLUSTER_BITS,
  },
  pledgedSrcSize: QCOW2_CLUSTER_BYTES,
  // All of what comes out at once: one way to the thread pool and back.
  chunkSize: QCOW2_CLUSTER_BYTES + 1024,
};

/** Every cluster that the map names, taken for data without looking: its place is what counts. */
export function promisedClusters(chunks: Uint8Array, offset: number, end: number): DiskCluster[] {
  const bytes = ZEROES.subarray(0, QCOW2_CLUSTER_BYTES);
  return [...wantedChunks(chunks, offset, end)].map((at) => ({
    index: at / QCOW2_CLUSTER_BYTES,
    kind: 'plain',
    bytes,
  }));
}

/** The same clusters with what is in them; zeroes keep the place that they were promised. */
export function keptPromises(chunks: Uint8Array, window: DiskWindow): DiskCluster[] {
  return [...wantedChunks(chunks, window.offset, window.end)].map((at) => {
    const bytes = clusterAt(window, at);
    const kind = isZero(bytes, 0, bytes.length) ? 'zero' : 'plain';
    return { index: at / QCOW2_CLUSTER_BYTES, kind, bytes };
  });
}

/** The clusters that are not all zeroes. */
export function plainClusters(chunks: Uint8Array, window: DiskWindow): DiskCluster[] {
  return keptPromises(chunks, window).filter(({ kind }) => kind === 'plain');
}

/** The clusters that are not all zeroes; compressed in the thread pool, those that shrink. */
export async function packedClusters(
  chunks: Uint8Array,
  window: DiskWindow,
): Promise<DiskCluster[]> {
  const clusters = plainClusters(chunks, window);
  await forEachOf(clusters.keys(), COMPRESSIONS_AT_ONCE, async (place) => {
    const cluster = clusters[place];
    if (cluster === undefined) return;
    const bytes = await zstd(cluster.bytes, ZSTD_OPTIONS);
    if (bytes.length < QCOW2_CLUSTER_BYTES) clusters[place] = { ...cluster, kind: 'packed', bytes };
  });
  return clusters;
}

function clusterAt(window: DiskWindow, offset: number): Buffer {
  const start = offset - window.offset;
  return window.bytes.subarray(start, start + QCOW2_CLUSTER_BYTES);
}
