/** What of `@vates/nbd-client` (3.6.0) the tests use. It comes without types. */
declare module '@vates/nbd-client' {
  export interface NbdInfo {
    readonly exportname: string;
    readonly address: string;
    readonly port: number;
    /** Present: TLS. */
    readonly cert?: string;
  }

  export default class NbdClient {
    constructor(info: NbdInfo, options?: { readonly readBlockRetries?: number });
    readonly exportSize: bigint;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    readBlock(index: number, size?: number): Promise<Buffer>;
  }
}

declare module '@vates/nbd-client/multi.mjs' {
  import type { NbdInfo } from '@vates/nbd-client';

  export default class MultiNbdClient {
    constructor(infos: readonly NbdInfo[], options?: { readonly nbdConcurrency?: number });
    readonly exportSize: bigint;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    readBlock(index: number, size?: number): Promise<Buffer>;
  }
}
