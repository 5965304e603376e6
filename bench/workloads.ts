/** What is asked of the servers. Each is one fio job; fio's nbd engine is the same client for all. */

/** `image`: reads of the shared image; `overlay`: writes that must not reach the image. */
export type Access = 'image' | 'overlay';

export type WorkloadId =
  | 'read-4k-qd32'
  | 'read-4k-qd1'
  | 'read-128k-qd8'
  | 'write-4k-first'
  | 'write-4k-again';

export interface Workload {
  readonly id: WorkloadId;
  readonly title: string;
  readonly access: Access;
  readonly pattern: 'randread' | 'read' | 'randwrite';
  readonly blockBytes: number;
  readonly queueDepth: number;
  /**
   * `time`: as many requests as fit; can be measured again. `once`: every block of the area once;
   * what it does to the server cannot be undone, so it is measured once a round.
   */
  readonly extent: 'time' | 'once';
}

/** In this order: the reads first, then the first writes to a fresh overlay, then the same blocks again. */
export const WORKLOADS: readonly Workload[] = [
  {
    id: 'read-4k-qd32',
    title: '4K random read, QD32',
    access: 'image',
    pattern: 'randread',
    blockBytes: 4096,
    queueDepth: 32,
    extent: 'time',
  },
  {
    id: 'read-4k-qd1',
    title: '4K random read, QD1',
    access: 'image',
    pattern: 'randread',
    blockBytes: 4096,
    queueDepth: 1,
    extent: 'time',
  },
  {
    id: 'read-128k-qd8',
    title: '128K sequential read, QD8',
    access: 'image',
    pattern: 'read',
    blockBytes: 131072,
    queueDepth: 8,
    extent: 'time',
  },
  {
    id: 'write-4k-first',
    title: '4K overlay write, first touch, QD32',
    access: 'overlay',
    pattern: 'randwrite',
    blockBytes: 4096,
    queueDepth: 32,
    extent: 'once',
  },
  {
    id: 'write-4k-again',
    title: '4K overlay write, again, QD32',
    access: 'overlay',
    pattern: 'randwrite',
    blockBytes: 4096,
    queueDepth: 32,
    extent: 'once',
  },
];
