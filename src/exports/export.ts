import type { MaybePromise } from '../base/index.ts';
import type { BlockDevice } from '../block/index.ts';

/** What LIST shows of an export. */
export interface ExportSummary {
  readonly name: string;
  /** For people; empty when there is nothing to say. */
  readonly description: string;
}

/** Who asks. Enough for access rules and for the log. */
export interface ExportClient {
  /** `192.0.2.7:51234`, or `unix` for a Unix socket. */
  readonly address: string;
  readonly tls: boolean;
  /** Subject common name of a verified client certificate, or the PSK identity. */
  readonly identity: string | undefined;
}

/** What a metadata context says of a stretch of an export. */
export interface ContextExtent {
  readonly length: number;
  /** Up to 32 bits; what they mean is the context's to define. */
  readonly flags: number;
}

/** A metadata context beside `base:allocation`, such as a dirty bitmap for backup. */
export interface MetaContext {
  /** Namespace and colon first: `qemu:dirty-bitmap:NAME`. */
  readonly name: string;
  /** As BlockDevice.extents: contiguous from `offset`, at least one byte; may stop early. */
  status(offset: number, length: number, limit: number): MaybePromise<readonly ContextExtent[]>;
}

/** An export opened for one connection. */
export interface OpenExport {
  /** The canonical name (the client may have asked for the default export, ''). */
  readonly name: string;
  readonly description: string;
  readonly device: BlockDevice;
  readonly readOnly: boolean;
  /** Metadata contexts beside `base:allocation`; the same while the export is open. */
  readonly contexts?: readonly MetaContext[];
  /** The connection no longer needs it. Idempotent. */
  close(): Promise<void>;
}

/** How a block server (NBD, later iSCSI) finds what it serves. */
export interface ExportProvider {
  list(client: ExportClient): MaybePromise<readonly ExportSummary[]>;
  /**
   * @throws Fault EXPORT_NOT_FOUND (no such export), PERMISSION_DENIED (this client may not),
   *   UNAVAILABLE (shutting down); anything else is a bug or an I/O problem.
   */
  open(name: string, client: ExportClient): MaybePromise<OpenExport>;
}
