/** What the test uses of Xen Orchestra's NBD client, which comes without types. */
declare module '@vates/nbd-client' {
  export interface NbdInfo {
    readonly address: string;
    readonly port?: number;
    readonly exportname?: string;
    /** PEM; given, even empty: the connection becomes TLS. */
    readonly cert?: string;
  }

  export default class NbdClient {
    constructor(
      info: NbdInfo,
      options?: {
        readonly connectTimeout?: number;
        readonly messageTimeout?: number;
        readonly readBlockRetries?: number;
      },
    );
    readonly exportSize: bigint;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    /** The last one is shorter. @param size bytes */
    readBlock(index: number, size?: number): Promise<Buffer>;
  }
}
