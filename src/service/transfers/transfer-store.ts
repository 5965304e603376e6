/** The control plane's port onto what leaves this server and comes to it. Read first. */
import type {
  BundleHead,
  BundleOrigin,
  ExportRequest,
  FileRequest,
  ImportProgress,
  IncomingStream,
  OutgoingBundle,
  OutgoingStream,
  ReceivedBundle,
  ReceiveRequest,
  Transfers,
  WrittenFile,
} from '../../control/index.ts';
import type { ExistingLayer, ReceivedLayer } from '../../vdisk/index.ts';
import { MAXIMUM_CHAIN_LAYERS, type ReceivedVersion, readBundle } from '../../vdisk/index.ts';
import type { DataFolder } from '../data-folder.ts';
import type { LayerShelf } from '../layer-shelf.ts';
import type { Repository } from '../repository.ts';
import { ChunkServer } from './chunk-server.ts';
import { streamDisk, writeDisk } from './disk-exports.ts';
import { LayerTarget, type LayerTargetParts } from './layer-target.ts';
import { UPLOAD_BYTES_MAX } from './limits.ts';
import { bytesOf, counted, openHead } from './open-bundle.ts';
import { streamBundle, writeBundleFile } from './outgoing-bundles.ts';
import { refuseOwnFolder } from './own-folder.ts';
import { PeerBundle } from './peer-bundle.ts';
import { PeerClient } from './peer-client.ts';
import { StreamCount } from './stream-count.ts';
import { spool } from './upload-spool.ts';

export interface TransferStoreParts
  extends Omit<LayerTargetParts, 'layersFolder' | 'temporaryFolder' | 'depthMax'> {
  readonly folder: Pick<DataFolder, 'path' | 'layers' | 'uploads'>;
  readonly repository: Repository;
  readonly layers: LayerShelf;
  /** Layers of a version beyond which they are merged; 0: never. */
  readonly consolidateBeyond: number;
  /** Of this server, for the audit of others. */
  readonly serverName: string;
  readonly fetch?: typeof globalThis.fetch;
}

type Progress = (progress: ImportProgress) => void;

const CHUNK_BYTES = 64 * 1024;

export class TransferStore implements Transfers {
  readonly #parts: TransferStoreParts;
  readonly #work: LayerTargetParts & { readonly volumeData: Repository['data'] };
  readonly #chunks: ChunkServer;
  readonly #streams = new StreamCount();

  constructor(parts: TransferStoreParts) {
    this.#parts = parts;
    const { folder, consolidateBeyond: most } = parts;
    this.#work = {
      ...parts,
      layersFolder: folder.layers,
      temporaryFolder: folder.uploads,
      volumeData: parts.repository.data,
      depthMax:
        most === 0 ? MAXIMUM_CHAIN_LAYERS : Math.min(Math.max(2, most), MAXIMUM_CHAIN_LAYERS),
    };
    this.#chunks = new ChunkServer(this.#work);
  }

  exportStream(request: ExportRequest, signal: AbortSignal): Promise<OutgoingStream> {
    return this.#streams.counted(() => streamDisk(this.#work, request, signal));
  }

  async exportFile(
    request: ExportRequest & FileRequest,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<WrittenFile> {
    // Nothing is waited for before the layers are in use.
    refuseOwnFolder(request.path, this.#parts.folder.path);
    return writeDisk(this.#work, request, progress, signal);
  }

  bundleStream(bundle: OutgoingBundle, signal: AbortSignal): Promise<OutgoingStream> {
    return this.#streams.counted(() => streamBundle(this.#work, bundle, signal));
  }

  async bundleFile(
    bundle: OutgoingBundle,
    file: FileRequest,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<WrittenFile> {
    refuseOwnFolder(file.path, this.#parts.folder.path);
    return writeBundleFile(this.#work, bundle, file, progress, signal);
  }

  chunkStream(
    request: Buffer,
    layerIds: readonly string[],
    signal: AbortSignal,
  ): Promise<OutgoingStream> {
    return this.#streams.counted(() => this.#chunks.stream(request, layerIds, signal));
  }

  bundleHead(
    origin: Exclude<BundleOrigin, { kind: 'server' }>,
    signal: AbortSignal,
  ): Promise<{ readonly head: BundleHead; readonly origin: BundleOrigin }> {
    return openHead(origin, signal);
  }

  async receiveBundle<T>(
    request: ReceiveRequest<T>,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<T> {
    const { origin, accept, keep } = request;
    const target = new LayerTarget(this.#work, accept, signal);
    try {
      const received =
        origin.kind === 'server'
          ? await this.#pull(origin, target, progress, signal)
          : await this.#read(bytesOf(origin), target, progress, signal);
      try {
        signal.throwIfAborted();
        return keep(received);
      } catch (error) {
        await target.abandon();
        throw error;
      }
    } finally {
      await target.close();
    }
  }

  spool(
    incoming: IncomingStream,
    progress: (bytesDone: number) => void,
    signal: AbortSignal,
  ): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
    const { folder } = this.#parts;
    const what = 'the upload';
    return spool(incoming, {
      ...{ folder: folder.uploads, what, bytesMax: UPLOAD_BYTES_MAX, progress, signal },
    });
  }

  /** Closes what is kept open between requests. */
  close(): Promise<void> {
    return this.#chunks.close();
  }

  async #read(
    pieces: AsyncIterable<Buffer>,
    target: LayerTarget,
    progress: Progress,
    signal: AbortSignal,
    fetching: Pick<Parameters<typeof readBundle>[2], 'fetchChunks' | 'retryChunks'> = {},
  ): Promise<ReceivedBundle> {
    let bytesReceived = 0;
    const counting = counted(pieces, (bytes) => {
      bytesReceived += bytes;
    });
    const { head, versions, chunksReceived, chunksLocal } = await readBundle(counting, target, {
      temporaryFolder: this.#work.temporaryFolder,
      signal,
      progress: ({ placesDone, placesTotal }) =>
        progress({ bytesDone: placesDone * CHUNK_BYTES, bytesTotal: placesTotal * CHUNK_BYTES }),
      ...fetching,
    });
    return {
      head,
      layers: versions.flatMap(layerOf),
      versions: versions.map((version) => ({
        number: version.version.number,
        layerId:
          version.kind === 'made' ? version.sink.finished().layerId : version.existing.layerId,
        bootFiles: target.bootFilesOf(version),
      })),
      ...{ chunksReceived, chunksLocal, bytesReceived },
    };
  }

  async #pull(
    origin: Extract<BundleOrigin, { kind: 'server' }>,
    target: LayerTarget,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<ReceivedBundle> {
    const { serverName, fetch } = this.#parts;
    const { url, token } = origin;
    const user = `server ${serverName}`.replaceAll(/[^\x20-\x7e]/g, '?');
    const client = new PeerClient({ url, token, user, ...(fetch === undefined ? {} : { fetch }) });
    const { temporaryFolder } = this.#work;
    const bundle = new PeerBundle({ client, origin, temporaryFolder, signal });
    const description = await bundle.description();
    try {
      const file = { kind: 'file', path: description.path } as const;
      const { head } = await openHead(file, signal);
      const received = await this.#read(bytesOf(file), target, progress, signal, {
        fetchChunks: bundle.fetchChunks(head),
        retryChunks: (error, failures) => bundle.retry(error, failures),
      });
      return { ...received, bytesReceived: client.bytesReceived };
    } finally {
      await description.remove();
    }
  }
}

function layerOf(
  version: ReceivedVersion<ReceivedLayer, ExistingLayer>,
): ReceivedBundle['layers'][number][] {
  if (version.kind === 'existing') return [];
  const layer = version.sink.finished();
  return [{ ...layer, volumeId: layer.layerId }];
}
