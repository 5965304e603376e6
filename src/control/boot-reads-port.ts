/** What machines read while they boot: recorded, and read ahead of them. The service implements it. */

export interface AheadRequest {
  /** The top of the chain that is read. */
  readonly layerId: string;
  readonly contentId: string;
  /** Numbers of units, in the order in which a boot reads them. */
  readonly order: Uint32Array;
}

/** Sums since the start. */
export interface BootReadGauges {
  /** Memory in which workers share blocks of slow repositories; 0: they share none. */
  readonly sharedBytesMax: number;
  /** Given out of it to workers whose own cache did not have it. */
  readonly sharedHitBytes: number;
  /** Requests of read-ahead, and what they read. */
  readonly aheadRequests: number;
  readonly aheadBytes: number;
  /** … of which machines wanted. */
  readonly aheadHitBytes: number;
  /** … of which made room for something else before anybody wanted it. */
  readonly aheadWastedBytes: number;
  /** Contents that are not read ahead for now: their storage answers at once, or could not be read. */
  readonly restingContents: number;
}

export interface BootReads {
  /** Bytes of a unit. */
  readonly unitBytes: number;
  /** The machine boots: what it reads from its next connection on is noted, until `recorded`. */
  record(machineId: string, diskBytes: number): void;
  /** Ends the recording. @returns units in the order of first access; undefined: there was none */
  recorded(machineId: string): Uint32Array | undefined;
  /** Begins to read ahead, unless that is under way or known to be of no use. */
  readAhead(request: AheadRequest): void;
  gauges(): BootReadGauges;
}

export const NO_BOOT_READS: BootReads = {
  unitBytes: 131_072,
  record: () => undefined,
  recorded: () => undefined,
  readAhead: () => undefined,
  gauges: () => ({
    sharedBytesMax: 0,
    sharedHitBytes: 0,
    aheadRequests: 0,
    aheadBytes: 0,
    aheadHitBytes: 0,
    aheadWastedBytes: 0,
    restingContents: 0,
  }),
};
