/** What is asked of the servers: data only. Who runs it: load/ (our own client) and fio.ts. */

/**
 * What a server must offer to take part.
 * `image`: reads of the shared image. `overlay`: one export whose writes never reach the image; what
 * it does with a flush does not matter. `machines`: many such exports, each apart from the others.
 * `persistent`: many, and what was flushed survives the death of the host.
 */
export type Access = 'image' | 'overlay' | 'machines' | 'persistent';

export type WorkloadId =
  | 'read-4k-qd1'
  | 'read-4k-qd32'
  | 'read-4k-qd32-c4'
  | 'read-128k-qd8'
  | 'write-128k-qd8'
  | 'write-4k-first'
  | 'write-4k-again'
  | 'flush-1'
  | 'flush-32'
  | 'mix-80-20'
  | 'boot-1-paced'
  | 'boot-100'
  | 'flood-and-boot'
  | 'idle-1000'
  | 'slow-origin'
  | 'chain-1'
  | 'chain-30'
  | 'one-worker'
  | 'two-workers';

export type Pattern =
  | 'random-read'
  | 'sequential-read'
  | 'random-write'
  | 'sequential-write'
  /** Each write is followed by a flush. */
  | 'write-flush'
  /** Four reads for each write, 4 KiB to 64 KiB. */
  | 'mix'
  /** The recorded boot (bench/traces), each machine by itself. */
  | 'trace'
  /** One machine writes without end while the others replay the trace. */
  | 'flood-and-trace'
  /** Connections that ask nothing. */
  | 'idle';

export interface Workload {
  readonly id: WorkloadId;
  readonly title: string;
  readonly access: Access;
  readonly pattern: Pattern;
  /** Of a request; 0 where the pattern says it. */
  readonly blockBytes: number;
  /** Requests in flight on each connection. */
  readonly queueDepth: number;
  /** Connections of each machine, or of the image. */
  readonly connections: number;
  /** Exports in use at once; 1 for the image and for one overlay. */
  readonly machines: number;
  /** A trace is replayed with its recorded think times; else as fast as the answers come. */
  readonly paced: boolean;
  /**
   * `time`: as many requests as fit; can be measured again. `once`: to its end (every block of the area
   * once, the trace once); what it does to the server cannot be undone, so it is measured once a round.
   */
  readonly extent: 'time' | 'once';
  /** fio's nbd engine can ask the same. */
  readonly fio: boolean;
  /** Only these targets; undefined: all that offer `access`. */
  readonly only?: readonly string[];
}
