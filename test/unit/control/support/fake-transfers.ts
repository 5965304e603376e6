/** Transfers that only count: streams of a few bytes, bundles whose head a test makes up. */
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
} from '../../../../src/control/index.ts';

type Progress = (progress: ImportProgress) => void;

export class FakeTransfers implements Transfers {
  readonly exported: (ExportRequest & Partial<FileRequest>)[] = [];
  readonly bundled: OutgoingBundle[] = [];
  readonly asked: { readonly request: Buffer; readonly layerIds: readonly string[] }[] = [];
  readonly origins: BundleOrigin[] = [];
  /** What was spooled, and is not removed. */
  readonly spooled = new Map<string, Buffer>();
  /** Streams that were not closed. */
  open = 0;
  head: BundleHead = headOf();
  /** Called while a bundle comes. */
  whileReceiving: (progress: Progress, signal: AbortSignal) => Promise<void> = async () => {};
  /** What keeping it failed with: then nothing may stay. */
  keepFailure: unknown;
  /** Of the layers that are new. */
  received: Pick<ReceivedBundle, 'layers' | 'versions'> | undefined;
  fail: unknown;

  async exportStream(request: ExportRequest, _signal: AbortSignal): Promise<OutgoingStream> {
    this.exported.push(request);
    this.#failIfTold();
    return this.#stream(['an ', 'image'], 8);
  }

  async exportFile(request: ExportRequest & FileRequest, progress: Progress): Promise<WrittenFile> {
    this.exported.push(request);
    this.#failIfTold();
    progress({ bytesDone: 1, bytesTotal: 2 });
    return { path: request.path, length: 8 };
  }

  async bundleStream(bundle: OutgoingBundle): Promise<OutgoingStream> {
    this.bundled.push(bundle);
    this.#failIfTold();
    return this.#stream(['a ', 'bundle'], undefined);
  }

  async bundleFile(bundle: OutgoingBundle, { path }: FileRequest): Promise<WrittenFile> {
    this.bundled.push(bundle);
    this.#failIfTold();
    return { path, length: 8 };
  }

  async chunkStream(request: Buffer, layerIds: readonly string[]): Promise<OutgoingStream> {
    this.asked.push({ request, layerIds });
    return this.#stream(['chunks'], undefined);
  }

  async bundleHead(origin: Exclude<BundleOrigin, { kind: 'server' }>) {
    this.#failIfTold();
    return { head: this.head, origin };
  }

  async receiveBundle<T>(
    request: ReceiveRequest<T>,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<T> {
    this.origins.push(request.origin);
    request.accept(this.head);
    await this.whileReceiving(progress, signal);
    signal.throwIfAborted();
    try {
      return request.keep({
        head: this.head,
        ...(this.received ?? receivedOf(this.head, this.origins.length)),
        ...{ chunksReceived: 7, chunksLocal: 2, bytesReceived: 1000 },
      });
    } catch (error) {
      this.keepFailure = error;
      throw error;
    }
  }

  async spool(incoming: IncomingStream, progress: (bytesDone: number) => void) {
    this.#failIfTold();
    const pieces: Buffer[] = [];
    for await (const piece of incoming.pieces) {
      pieces.push(piece);
      progress(Buffer.concat(pieces).length);
    }
    const path = `/uploads/${this.spooled.size + 1}`;
    this.spooled.set(path, Buffer.concat(pieces));
    return { path, remove: async () => void this.spooled.delete(path) };
  }

  #failIfTold(): void {
    if (this.fail !== undefined) throw this.fail;
  }

  #stream(texts: readonly string[], length: number | undefined): OutgoingStream {
    this.open += 1;
    let isOpen = true;
    async function* pieces(): AsyncGenerator<Buffer> {
      for (const text of texts) yield Buffer.from(text);
    }
    return {
      length,
      pieces: pieces(),
      close: async () => {
        if (isOpen) this.open -= 1;
        isOpen = false;
      },
    };
  }
}

type HeadVersion = BundleHead['versions'][number];

/** Content ids that differ by a number. */
export const contentId = (number: number): string => String(number).padStart(64, 'c');

export function headVersion(number: number, more: Partial<HeadVersion> = {}): HeadVersion {
  return {
    ...{ number, state: 'production', contentId: contentId(number), size: 2 ** 30 },
    parentNumber: number === 1 ? undefined : number - 1,
    ...{ format: 'qcow2', kernelArguments: 'quiet', description: `number ${number}` },
    createdAt: '2025-06-01T00:00:00.000Z',
    sent: true,
    bootFiles: {
      ...{ kernel: 'aa'.repeat(32), initrd: 'bb'.repeat(32), kernelVersion: '6.1' },
      ...{ rootPartition: 'p1', rootFilesystem: 'ext4', initramfs: 'dracut', given: true },
    },
    ...more,
  };
}

export function headOf(versions: readonly HeadVersion[] = [headVersion(1), headVersion(2)]) {
  const head: BundleHead = {
    ...{ name: 'debian', description: 'from elsewhere', chunks: 'lacking', files: [] },
    versions,
  };
  return head;
}

/** A layer for each version, each over the one before. */
function receivedOf(
  head: BundleHead,
  reception: number,
): Pick<ReceivedBundle, 'layers' | 'versions'> {
  const idOf = (number: number): string =>
    reception === 1 ? `received-${number}` : `received-${number}-${reception}`;
  return {
    layers: head.versions.map((version) => ({
      layerId: idOf(version.number),
      volumeId: idOf(version.number),
      contentId: version.contentId,
      ...{ size: version.size, dataBytes: 1000, ownBytes: 100 },
      parentId: version.parentNumber === undefined ? undefined : idOf(version.parentNumber),
    })),
    versions: head.versions.map(({ number }) => ({
      number,
      layerId: idOf(number),
      bootFiles: {
        ...{ kernel: 'vmlinuz', initrd: 'initrd', rootPartition: 'p1', rootFilesystem: 'ext4' },
        ...{ initramfs: 'dracut', given: true },
      },
    })),
  };
}
