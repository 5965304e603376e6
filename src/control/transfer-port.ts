/**
 * THE PORT for versions that leave this server and come to it. The control plane says which, and what becomes
 * of them; the service reads, writes and carries the bytes (src/service/transfers).
 */
import type { BootFileNames, ImportProgress, StoredLayer } from './ports.ts';

export const EXPORT_FORMATS = ['raw', 'qcow2', 'vhd'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface ExportRequest {
  /** The disk as it is seen from this layer. */
  readonly layerId: string;
  readonly format: ExportFormat;
  /** qcow2 only; undefined: it is. */
  readonly compress: boolean | undefined;
  /** VHD only: what differs from this disk, whose file has this name beside the new one. */
  readonly parent: { readonly layerId: string; readonly fileName: string } | undefined;
}

export interface FileRequest {
  /** Absolute, on the machine the service runs on. */
  readonly path: string;
  /** Whether a file that is there is replaced. */
  readonly overwrite: boolean;
}

export interface WrittenFile {
  readonly path: string;
  /** Bytes. */
  readonly length: number;
}

/** Bytes that somebody takes away. */
export interface OutgoingStream {
  /** Of all pieces together; undefined: not known before they have come. */
  readonly length: number | undefined;
  /** To be read once, and not to be written to. */
  readonly pieces: AsyncIterable<Buffer>;
  /** To be called in any case, when nothing is asked for any more. Idempotent. */
  close(): Promise<void>;
}

/** Bytes that somebody brings. */
export interface IncomingStream {
  readonly pieces: AsyncIterable<Buffer>;
  /** Bytes, as far as it was said. */
  readonly length: number | undefined;
}

/** A version as it is told to another server. */
export interface BundledVersion {
  readonly number: number;
  readonly state: string;
  readonly contentId: string;
  /** Bytes of the disk. */
  readonly size: number;
  /** A version of the same bundle, before this one; undefined: stands alone. */
  readonly parentNumber: number | undefined;
  readonly format: string | undefined;
  readonly kernelArguments: string | undefined;
  readonly description: string | undefined;
  readonly createdAt: string | undefined;
}

export interface OutgoingBundle {
  readonly name: string;
  readonly description: string;
  /** A parent before its children. */
  readonly versions: readonly (BundledVersion & {
    readonly layerId: string;
    readonly bootFiles: BootFileNames;
  })[];
  /** Content ids that the receiver has. */
  readonly has: ReadonlySet<string>;
  /** `none`: the receiver asks for those that it lacks. */
  readonly chunks: 'lacking' | 'none';
}

/** What a bundle says of itself: texts of another server, to be checked as if a person had typed them. */
export interface BundleHead {
  readonly name: string;
  readonly description: string;
  readonly chunks: 'lacking' | 'none';
  readonly versions: readonly (BundledVersion & {
    /** False: it is named only, since the receiver has it. */
    readonly sent: boolean;
    readonly bootFiles:
      | (Omit<BootFileNames, 'kernel' | 'initrd'> & {
          /** SHA-256 of the files; undefined: it has none. */
          readonly kernel: string | undefined;
          readonly initrd: string | undefined;
          readonly kernelVersion: string | undefined;
        })
      | undefined;
  })[];
  /** Kernels and initrds. */
  readonly files: readonly { readonly sha256: string; readonly size: number }[];
}

/** Where a bundle comes from. */
export type BundleOrigin =
  | { readonly kind: 'stream'; readonly pieces: AsyncIterable<Buffer> }
  /** A file of the machine the service runs on. */
  | { readonly kind: 'file'; readonly path: string }
  /** Another server, which is asked for what is lacking here. */
  | {
      readonly kind: 'server';
      readonly url: string;
      /** A secret. */
      readonly token: string;
      readonly vdisk: string;
      /** undefined: all. */
      readonly versions: readonly number[] | undefined;
      /** Content ids that are here. */
      readonly has: ReadonlySet<string>;
    };

/** A layer that has come, on stable storage. */
export interface ReceivedLayer
  extends Pick<
    StoredLayer,
    'layerId' | 'volumeId' | 'contentId' | 'size' | 'dataBytes' | 'ownBytes'
  > {
  /** As it was called when the bundle began to come; undefined: a base. */
  readonly parentId: string | undefined;
}

export interface ReceivedBundle {
  readonly head: BundleHead;
  /** The new ones, each after what it stands on. */
  readonly layers: readonly ReceivedLayer[];
  /** Every version of the head, with the layer that has its content: a new one, or one that was here. */
  readonly versions: readonly {
    readonly number: number;
    readonly layerId: string;
    readonly bootFiles: BootFileNames;
  }[];
  /** Chunks that were sent, and chunks that were here. */
  readonly chunksReceived: number;
  readonly chunksLocal: number;
  /** All that came. */
  readonly bytesReceived: number;
}

export interface ReceiveRequest<T> {
  readonly origin: BundleOrigin;
  /** Called first: whether it is wanted. @throws Fault */
  readonly accept: (head: BundleHead) => void;
  /** As ImageStore.seal: when it has returned, the layers are the catalog's; when it throws, they are gone. */
  readonly keep: (received: ReceivedBundle) => T;
}

type Progress = (progress: ImportProgress) => void;

export interface Transfers {
  /**
   * A disk as a stream; settles when its length is known, which can take as long as to read the disk. The
   * layer is in use until it is closed.
   * @param signal also ends the stream
   * @throws Fault INVALID_INPUT, LIMIT_EXCEEDED, CANCELLED, UNAVAILABLE; the last two also from the pieces
   */
  exportStream(request: ExportRequest, signal: AbortSignal): Promise<OutgoingStream>;
  /** @throws Fault as exportStream, and NOT_FOUND (the folder), ALREADY_EXISTS, IN_USE, NO_SPACE … */
  exportFile(
    request: ExportRequest & FileRequest,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<WrittenFile>;
  /** The layers are in use until it is closed. @throws Fault INVALID_INPUT, NOT_FOUND, IMAGE_INVALID … */
  bundleStream(bundle: OutgoingBundle, signal: AbortSignal): Promise<OutgoingStream>;
  bundleFile(
    bundle: OutgoingBundle,
    file: FileRequest,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<WrittenFile>;
  /**
   * Chunks that another server asks for.
   * @param request as it came (docs/BUNDLE.md)
   * @param layerIds where to look for them
   * @throws Fault INVALID_INPUT
   */
  chunkStream(
    request: Buffer,
    layerIds: readonly string[],
    signal: AbortSignal,
  ): Promise<OutgoingStream>;
  /**
   * Looks at the head of a bundle; the origin that is returned is to be used instead, once.
   * @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED, NOT_FOUND, CANCELLED
   */
  bundleHead(
    origin: Exclude<BundleOrigin, { kind: 'server' }>,
    signal: AbortSignal,
  ): Promise<{ readonly head: BundleHead; readonly origin: BundleOrigin }>;
  /**
   * Nothing stays when it fails.
   * @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED, NOT_FOUND, NO_SPACE, LIMIT_EXCEEDED, CANCELLED,
   *   PERMISSION_DENIED, UNAVAILABLE (the other server), and what accept and keep throw
   */
  receiveBundle<T>(request: ReceiveRequest<T>, progress: Progress, signal: AbortSignal): Promise<T>;
  /**
   * Keeps a stream in a file until `remove` is called, or the service starts anew.
   * @throws Fault NO_SPACE, LIMIT_EXCEEDED, CANCELLED, and what the stream throws
   */
  spool(
    incoming: IncomingStream,
    progress: (bytesDone: number) => void,
    signal: AbortSignal,
  ): Promise<{ readonly path: string; readonly remove: () => Promise<void> }>;
}
