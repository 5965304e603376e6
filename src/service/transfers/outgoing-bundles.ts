/** vDisks as bundles. Their layers are in use as long as they are read. */
import { join } from 'node:path';
import type {
  Catalog,
  FileRequest,
  ImportProgress,
  OutgoingBundle,
  OutgoingStream,
  WrittenFile,
} from '../../control/index.ts';
import type { VolumeData } from '../../repositories/index.ts';
import {
  type BundleSource,
  INITRD_FILE,
  KERNEL_FILE,
  layerFiles,
  openLayerChain,
  streamToFile,
  type WriteBundleProgress,
  writeBundle,
} from '../../vdisk/index.ts';
import { ChunkIndex, type ChunkIndexParts } from './chunk-index.ts';
import { LOCAL_MANIFEST_BYTES_MAX } from './limits.ts';

export interface BundleParts extends ChunkIndexParts {
  readonly catalog: Catalog;
  readonly volumeData: VolumeData;
}

type Progress = (progress: WriteBundleProgress) => void;

/** @throws Fault INVALID_INPUT, NOT_FOUND, IMAGE_INVALID, CANCELLED; also from the pieces */
export async function streamBundle(
  parts: BundleParts,
  bundle: OutgoingBundle,
  signal: AbortSignal,
  progress: Progress = () => undefined,
): Promise<OutgoingStream> {
  const uses = bundle.versions.map(({ layerId }) => parts.layers.use(layerId));
  const release = (): void => {
    for (const done of uses.splice(0)) done();
  };
  let known: ChunkIndex | undefined;
  try {
    known = await receiversChunks(parts, bundle, signal);
    const index = known;
    const pieces = writeBundle(sourceOf(parts, bundle), {
      ...{ temporaryFolder: parts.temporaryFolder, receiverHas: bundle.has },
      ...{ chunks: bundle.chunks, signal, progress },
      ...(index === undefined ? {} : { lacks: async (hash) => !(await index.has(hash)) }),
    });
    const close = async (): Promise<void> => {
      try {
        await pieces.return(undefined);
      } finally {
        await index?.close();
        release();
      }
    };
    return { length: undefined, pieces, close };
  } catch (error) {
    await known?.close();
    release();
    throw error;
  }
}

/** @throws Fault as streamBundle and streamToFile */
export async function writeBundleFile(
  parts: BundleParts,
  bundle: OutgoingBundle,
  { path, overwrite }: FileRequest,
  progress: (progress: ImportProgress) => void,
  signal: AbortSignal,
): Promise<WrittenFile> {
  const stream = await streamBundle(parts, bundle, signal, ({ chunksDone, chunksTotal }) => {
    if (chunksTotal !== undefined) progress({ bytesDone: chunksDone, bytesTotal: chunksTotal });
  });
  try {
    return await streamToFile(stream.pieces, path, { overwrite, signal });
  } finally {
    await stream.close();
  }
}

/** What the receiver is known to have, as far as it is here as well. */
async function receiversChunks(
  parts: BundleParts,
  { has, chunks }: OutgoingBundle,
  signal: AbortSignal,
): Promise<ChunkIndex | undefined> {
  if (has.size === 0 || chunks === 'none') return undefined;
  const layerIds = parts.catalog.layers
    .all()
    .filter(({ contentId, damagedChunks }) => has.has(contentId) && damagedChunks === 0)
    .map(({ id }) => id)
    .toReversed();
  return ChunkIndex.make(parts, layerIds, LOCAL_MANIFEST_BYTES_MAX, signal);
}

function sourceOf(
  { layers, layersFolder, volumeData }: BundleParts,
  { name, description, versions }: OutgoingBundle,
): BundleSource {
  return {
    ...{ name, description },
    versions: versions.map(({ layerId, bootFiles, ...facts }) => {
      const { manifest, boot } = layerFiles(layersFolder, layerId);
      const { kernel, initrd, rootPartition, rootFilesystem, initramfs, given } = bootFiles;
      return {
        ...facts,
        manifestPath: manifest,
        bootFiles: {
          kernel: kernel === undefined ? undefined : join(boot, KERNEL_FILE),
          initrd: initrd === undefined ? undefined : join(boot, INITRD_FILE),
          ...{ rootPartition, rootFilesystem, initramfs, given },
          ...{ kernelVersion: undefined, rootUuid: undefined, reason: undefined },
        },
        openDevice: async () => {
          const chain = await layers.chain(layerId);
          return (await openLayerChain(chain, { layersFolder, volumeData })).device;
        },
      };
    }),
  };
}
