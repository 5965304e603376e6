/** Versions as images. Their layers are in use as long as they are read. */
import type {
  ExportRequest,
  FileRequest,
  ImportProgress,
  OutgoingStream,
  WrittenFile,
} from '../../control/index.ts';
import type { VolumeData } from '../../repositories/index.ts';
import {
  changedChunks,
  type ExportOptions,
  type ExportSource,
  exportFile,
  exportStream,
  type LayeredDisk,
  layerFiles,
  openLayerChain,
} from '../../vdisk/index.ts';
import type { LayerShelf } from '../layer-shelf.ts';

export interface DiskExportParts {
  readonly layers: LayerShelf;
  readonly layersFolder: string;
  readonly volumeData: VolumeData;
}

type Hooks = Pick<ExportOptions, 'progress' | 'signal'>;

/** Disks that are open for an export. */
class OpenDisks {
  readonly #parts: DiskExportParts;
  readonly #disks: LayeredDisk[] = [];
  readonly #uses: (() => void)[] = [];

  constructor(parts: DiskExportParts) {
    this.#parts = parts;
  }

  /** Nothing is waited for before the layer is in use. */
  async open(layerId: string): Promise<ExportSource> {
    const { layers, layersFolder, volumeData } = this.#parts;
    this.#uses.push(layers.use(layerId));
    const { contentId } = layers.record(layerId);
    const chain = await layers.chain(layerId);
    const disk = await openLayerChain(chain, { layersFolder, volumeData });
    this.#disks.push(disk);
    const { size, device, presentChunks } = disk;
    return { size, device, presentChunks, contentId };
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#disks.splice(0).map((disk) => disk.close()));
    for (const done of this.#uses.splice(0)) done();
  }
}

/** @throws Fault as exportStream of vdisk */
export async function streamDisk(
  parts: DiskExportParts,
  request: ExportRequest,
  signal: AbortSignal,
): Promise<OutgoingStream> {
  const disks = new OpenDisks(parts);
  try {
    const hooks = { signal, progress: () => undefined };
    const [source, options] = await prepare(parts, disks, request, hooks);
    const stream = await exportStream(source, options);
    return { length: stream.length, pieces: stream, close: () => disks.close() };
  } catch (error) {
    await disks.close();
    throw error;
  }
}

/** @throws Fault as exportFile of vdisk */
export async function writeDisk(
  parts: DiskExportParts,
  request: ExportRequest & FileRequest,
  progress: (progress: ImportProgress) => void,
  signal: AbortSignal,
): Promise<WrittenFile> {
  const disks = new OpenDisks(parts);
  try {
    const [source, options] = await prepare(parts, disks, request, { signal, progress });
    const { path, overwrite } = request;
    return await exportFile(source, path, { ...options, overwrite });
  } finally {
    await disks.close();
  }
}

async function prepare(
  { layersFolder }: DiskExportParts,
  disks: OpenDisks,
  { layerId, format, compress, parent }: ExportRequest,
  hooks: Hooks,
): Promise<readonly [ExportSource, ExportOptions]> {
  const opening = [disks.open(layerId), parent && disks.open(parent.layerId)] as const;
  // Both are in use from here on; whatever fails, nothing is closed before both have settled.
  await Promise.allSettled(opening);
  const source = await opening[0];
  const below = await opening[1];
  const options = { ...hooks, format, ...(compress === undefined ? {} : { compress }) };
  if (below === undefined || parent === undefined) return [source, options];
  const manifest = (id: string): string => layerFiles(layersFolder, id).manifest;
  const changed = await changedChunks(manifest(parent.layerId), manifest(layerId));
  const { fileName } = parent;
  return [source, { ...options, parent: { source: below, fileName, changedChunks: changed } }];
}
