/**
 * Unpacks one compressed cluster. Its length is known only up to a sector, so that garbage may follow
 * the stream, and what comes out must be exactly one cluster.
 */
import { promisify } from 'node:util';
import { constants, inflateRaw, zstdDecompress } from 'node:zlib';
import type { Compression } from './qcow2-header.ts';
import { zstdFrameLength } from './zstd-frame.ts';

const inflate = promisify(inflateRaw);
const unzstd = promisify(zstdDecompress);

/** @throws Error of zlib, or RangeError when there is too little */
export async function decompressCluster(
  packed: Buffer,
  clusterBytes: number,
  compression: Compression,
): Promise<Buffer> {
  let cluster: Buffer;
  switch (compression) {
    case 'zlib':
      // The stream may lack its last block: what matters is one whole cluster (as QEMU reads it).
      cluster = await inflate(packed, {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: clusterBytes,
      });
      break;
    case 'zstd':
      cluster = await unzstd(packed.subarray(0, zstdFrameLength(packed)), {
        maxOutputLength: clusterBytes,
      });
      break;
  }
  if (cluster.length !== clusterBytes) {
    throw new RangeError(`${cluster.length} bytes came out, not ${clusterBytes}`);
  }
  return cluster;
}
