/**
 * What the JSON document of a run must look like. Fields that are undefined in memory are absent in JSON.
 * Nothing of result.ts may be left out: what is read is assembled from this in read-result.ts, and does not
 * compile otherwise.
 */
import { Type } from 'typebox';
import type { Conditions } from '../conditions.ts';
import { type ClientKind, RESULT_FORMAT } from '../result.ts';
import type { WorkloadId } from '../workloads.ts';

/** A new workload does not compile until it stands here. */
const WORKLOAD_IDS: Readonly<Record<WorkloadId, true>> = {
  'read-4k-qd1': true,
  'read-4k-qd32': true,
  'read-4k-qd32-c4': true,
  'read-128k-qd8': true,
  'write-128k-qd8': true,
  'write-4k-first': true,
  'write-4k-again': true,
  'flush-1': true,
  'flush-32': true,
  'mix-80-20': true,
  'boot-1-paced': true,
  'boot-100': true,
  'flood-and-boot': true,
  'idle-1000': true,
  'slow-origin': true,
  'chain-1': true,
  'chain-30': true,
  'one-worker': true,
  'two-workers': true,
  'iscsi-read-4k-qd32': true,
  'iscsi-read-128k-qd8': true,
  'nfs-read-4k-qd32': true,
  'nfs-read-128k-qd8': true,
};

const CLIENT_KINDS: Readonly<Record<ClientKind, true>> = { rootcast: true, fio: true };

const oneOf = <Id extends string>(ids: Readonly<Record<Id, true>>) =>
  Type.Unsafe<Id>({
    type: 'string',
    enum: Object.keys(ids),
    description: `one of ${Object.keys(ids).join(', ')}`,
  });

const strict = { additionalProperties: false };

const text = Type.String({ description: 'text' });
const amount = (description: string) => Type.Number({ minimum: 0, description });
const count = (description: string) => Type.Integer({ minimum: 0, description });
const share = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });

const seconds = amount('seconds, from 0');
const micros = amount('microseconds, from 0');
const bytes = count('bytes, a whole number from 0');
const requests = count('requests, a whole number from 0');

const latency = Type.Object(
  { mean: micros, p50: micros, p90: micros, p99: micros, p999: micros, max: micros },
  { ...strict, description: 'mean, p50, p90, p99, p999 and max in microseconds' },
);

const interval = Type.Object(
  { at: seconds, seconds, requests, bytes, p50: micros, p99: micros },
  strict,
);

const group = Type.Object({ name: text, requests, bytes, latency }, strict);

const server = Type.Object(
  {
    // JSON's word for a division by no requests is null.
    cpuMicrosPerRequest: Type.Unsafe<number | null>({
      type: ['number', 'null'],
      minimum: 0,
      description: 'microseconds, from 0',
    }),
    cpuSeconds: seconds,
    residentBytes: bytes,
    busiestThreadSeconds: seconds,
  },
  strict,
);

const finished = Type.Object(
  {
    machines: count('machines, a whole number from 0'),
    first: seconds,
    median: seconds,
    last: seconds,
  },
  strict,
);

const connections = Type.Object(
  {
    count: count('connections, a whole number from 0'),
    // A server that gave memory back meanwhile: less than nothing each.
    bytesEach: Type.Optional(Type.Number({ description: 'bytes' })),
    connect: latency,
  },
  strict,
);

const cell = Type.Object(
  {
    round: count('a whole number from 0'),
    target: text,
    workload: oneOf(WORKLOAD_IDS),
    client: oneOf(CLIENT_KINDS),
    requests,
    bytes,
    seconds,
    perSecond: amount('requests per second, from 0'),
    bytesPerSecond: amount('bytes per second, from 0'),
    latency: Type.Optional(latency),
    intervals: Type.Array(interval, { description: 'a list' }),
    groups: Type.Array(group, { description: 'a list' }),
    server: Type.Optional(server),
    verified: Type.Optional(Type.Object({ bytes }, strict)),
    finished: Type.Optional(finished),
    connections: Type.Optional(connections),
    originRequests: Type.Optional(requests),
    idleBefore: share('a share from 0 to 1'),
    foreignShare: share('a share from 0 to 1'),
    noisy: Type.Boolean({ description: 'true or false' }),
  },
  strict,
);

const verdict = Type.Object(
  {
    workload: oneOf(WORKLOAD_IDS),
    client: oneOf(CLIENT_KINDS),
    statistic: text,
    target: text,
    peer: Type.Optional(text),
    atMost: Type.Optional(Type.Number({ description: 'a number' })),
    atLeast: Type.Optional(Type.Number({ description: 'a number' })),
    unit: text,
    value: Type.Optional(Type.Number({ description: 'a number' })),
    holds: Type.Optional(Type.Boolean({ description: 'true or false' })),
  },
  strict,
);

/** Open: options and conditions may be added without a new format, and are compared whatever they are. */
const conditions = Type.Unsafe<Conditions>(
  Type.Object({
    date: text,
    cpu: text,
    cpus: count('a whole number of processors'),
    memoryBytes: bytes,
    kernel: text,
    distribution: text,
    client: text,
    versions: Type.Record(Type.String(), text),
    options: Type.Object({
      rounds: Type.Integer({ minimum: 1, description: 'a whole number from 1' }),
      seconds,
      imageBytes: bytes,
    }),
  }),
);

export const RESULT_SCHEMA = Type.Object(
  {
    format: Type.Literal(RESULT_FORMAT),
    conditions,
    targets: Type.Array(Type.Object({ id: text, title: text }, strict)),
    workloads: Type.Array(Type.Object({ id: oneOf(WORKLOAD_IDS), title: text }, strict)),
    cells: Type.Array(cell),
    verdicts: Type.Array(verdict),
  },
  strict,
);
