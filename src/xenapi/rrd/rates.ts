/** What is drawn of counters that only grow: how much passed between two looks at them. */
import type { Transferred } from './throughput-port.ts';

const MEBIBYTE = 2 ** 20;

/** Figures of an SR, or a VDI, of what passed in so many seconds. */
export const RATES: readonly {
  readonly name: string;
  readonly units: string;
  readonly what: string;
  readonly of: (passed: Transferred, seconds: number) => number;
}[] = [
  {
    ...{ name: 'io_throughput_read', units: 'MiB/s', what: 'read from' },
    of: ({ bytesRead }, seconds) => bytesRead / MEBIBYTE / seconds,
  },
  {
    ...{ name: 'io_throughput_write', units: 'MiB/s', what: 'written to' },
    of: ({ bytesWritten }, seconds) => bytesWritten / MEBIBYTE / seconds,
  },
  {
    ...{ name: 'io_throughput_total', units: 'MiB/s', what: 'read from and written to' },
    of: ({ bytesRead, bytesWritten }, seconds) => (bytesRead + bytesWritten) / MEBIBYTE / seconds,
  },
  {
    ...{ name: 'iops_read', units: 'requests/s', what: 'read requests of' },
    of: ({ readRequests }, seconds) => readRequests / seconds,
  },
  {
    ...{ name: 'iops_write', units: 'requests/s', what: 'write requests of' },
    of: ({ writeRequests }, seconds) => writeRequests / seconds,
  },
  {
    ...{ name: 'iops_total', units: 'requests/s', what: 'requests of' },
    of: ({ readRequests, writeRequests }, seconds) => (readRequests + writeRequests) / seconds,
  },
];

/** Samples after `from` up to `to`, and the time that has passed in them; undefined: it is not known. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly seconds: number | undefined;
}

/** Counters that have become smaller began anew (a machine is gone, a worker died): nothing is known then. */
export function difference(before: Transferred, now: Transferred): Transferred | undefined {
  const passed = {
    bytesRead: now.bytesRead - before.bytesRead,
    bytesWritten: now.bytesWritten - before.bytesWritten,
    readRequests: now.readRequests - before.readRequests,
    writeRequests: now.writeRequests - before.writeRequests,
  };
  return Object.values(passed).some((value) => value < 0) ? undefined : passed;
}
