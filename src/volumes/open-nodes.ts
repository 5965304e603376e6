/** Nodes in the control thread: their maps and their data, for indices, copies and differences. */
import type { BlockDevice, ReadableBlockDevice } from '../block/index.ts';
import {
  ChainIndex,
  gatherChain,
  type OverlayBits,
  readOverlayMap,
  UNIT_BYTES,
} from '../vdisk/index.ts';
import type { RepositoryPorts } from './array-volumes.ts';
import type { NodeVolume, VolumeNode } from './nodes.ts';

/** Where the ports of a repository are found. @throws Fault UNAVAILABLE: it is not attached */
export type PortsOf = (repositoryId: string) => RepositoryPorts;

/** Open as long as the work takes. @throws BlockError; what `work` throws */
export async function withVolume<T>(
  { data }: Pick<RepositoryPorts, 'data'>,
  { locator }: Pick<NodeVolume, 'locator'>,
  options: { readonly write: boolean },
  work: (device: BlockDevice) => Promise<T>,
): Promise<T> {
  const device = await data.open(locator, options);
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

/** What a sealed node says of its blocks. @throws BlockError */
export function readBits(
  ports: RepositoryPorts,
  node: VolumeNode & { readonly map: NodeVolume },
  bootId: string,
): Promise<OverlayBits> {
  const { size } = node;
  return withVolume(ports, node.map, { write: false }, (map) =>
    readOverlayMap({ map, size, bootId }),
  );
}

/** A base counts as data from its first byte to its last. */
export function wholeBase(size: number): { size: number; presentChunks: Uint8Array } {
  const chunks = Math.ceil(size / UNIT_BYTES);
  const presentChunks = new Uint8Array(Math.ceil(chunks / 8)).fill(0xff);
  const beyond = presentChunks.length * 8 - chunks;
  presentChunks[presentChunks.length - 1] = 0xff >>> beyond;
  return { size, presentChunks };
}

/** What a snapshot holds, read past every cache; closed by whoever opened it. */
export async function openNodes(
  portsOf: PortsOf,
  chain: readonly VolumeNode[],
  index: SharedArrayBuffer,
): Promise<ReadableBlockDevice> {
  const volumes: ReadableBlockDevice[] = [];
  try {
    for (const { repositoryId, data } of chain) {
      volumes.push(await portsOf(repositoryId).data.open(data.locator, { write: false }));
    }
    return gatherChain(new ChainIndex(index), volumes);
  } catch (error) {
    await Promise.allSettled(volumes.map((volume) => volume.close()));
    throw error;
  }
}
