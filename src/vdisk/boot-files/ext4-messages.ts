/** What the service and the thread that reads an ext file system say to each other. */

export interface ReaderStart {
  /** Where the file system starts on the disk, and the disk's size: bytes. */
  readonly offset: number;
  readonly diskSize: number;
}

export type ToReader =
  | { readonly type: 'list'; readonly path: string }
  | {
      readonly type: 'extract';
      readonly path: string;
      readonly target: string;
      readonly most: number;
    }
  /** Answers `need`; `bytes` is undefined when the disk could not be read. */
  | { readonly type: 'block'; readonly bytes: Uint8Array | undefined };

export type FromReader =
  | { readonly type: 'mounted' }
  | { readonly type: 'listed'; readonly names: readonly string[] }
  | { readonly type: 'extracted' }
  | { readonly type: 'failed'; readonly message: string }
  /** Wants bytes of the disk. */
  | { readonly type: 'need'; readonly offset: number; readonly length: number };
