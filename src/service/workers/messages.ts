/**
 * What the control thread and a data worker say to each other: opening and closing, never a block.
 * Both sides handle every kind (exhaustive switches); a request carries a number that its answer repeats.
 */
import type { Errno, FaultCode } from '../../errors/index.ts';
import type {
  ChainPlan,
  ExportClient,
  ExportSummary,
  StackPlan,
  VolumePlan,
} from '../../exports/index.ts';
import type { Connection, VolumeLocator } from '../../repositories/index.ts';
import type { HostPort } from '../config/index.ts';

export interface TlsFiles {
  readonly mode: 'off' | 'allowed' | 'required';
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly ca: string | undefined;
  readonly clientCertificates: boolean;
  readonly psk: string | undefined;
}

/** Given to the worker when it starts (`workerData`). */
export interface WorkerStart {
  /** 0 for the first worker; names its slot in shared statistics. */
  readonly worker: number;
  readonly listen: HostPort;
  /** Several workers listen on one port. */
  readonly reusePort: boolean;
  readonly unix: string | undefined;
  readonly tls: TlsFiles;
  readonly connectionsMax: number;
  readonly coalesce: boolean;
  readonly busyPoll: boolean;
  readonly readCacheBytes: number;
  /** The cache below the read caches of all workers; undefined: there is none. */
  readonly sharedCache: SharedArrayBuffer | undefined;
  readonly logLevel: string;
  /** Names this boot of the host. */
  readonly bootId: string;
  /** The two volumes of this worker's flush journal; undefined: it has none. */
  readonly journal: readonly [VolumeLocator, VolumeLocator] | undefined;
  /** This worker's figures (see gauges.ts), read by the control thread without asking. */
  readonly gauges: SharedArrayBuffer;
}

export interface WorkerConnection {
  /** Unique within the worker. */
  readonly id: number;
  readonly exportName: string;
  readonly address: string;
  readonly tls: boolean;
  readonly connectedAt: number;
}

/** Of the control port of a repository. */
export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly errno: Errno; readonly message: string };

export type ToWorker =
  | { readonly kind: 'plan'; readonly request: number; readonly plan: StackPlan }
  | {
      readonly kind: 'exports';
      readonly request: number;
      readonly exports: readonly ExportSummary[];
    }
  | {
      readonly kind: 'refused';
      readonly request: number;
      readonly code: FaultCode;
      readonly message: string;
    }
  /** A repository was attached: its volumes may be in plans from now on. Secrets are in it. */
  | { readonly kind: 'connect'; readonly adapter: string; readonly connection: Connection }
  /** Its volumes are to be let go of, whoever has them open; answered by `parted`. */
  | { readonly kind: 'disconnect'; readonly turn: number; readonly repositoryId: string }
  /** To what a repository's data port asked. */
  | { readonly kind: 'answer'; readonly request: number; readonly answer: Answer }
  /** Requests to these wait until `resume`; answered by `held`. */
  | {
      readonly kind: 'hold';
      readonly turn: number;
      readonly keys: readonly string[];
      readonly flush: boolean;
    }
  /** They go on, with what they are made of now; answered by `resumed`. */
  | {
      readonly kind: 'resume';
      readonly turn: number;
      readonly keys: readonly string[];
      readonly plans: ReadonlyMap<string, VolumePlan | 'refused'>;
    }
  /** The units of a trace, in this order, into the shared cache; answered by `read-ahead-ended`. */
  | {
      readonly kind: 'read-ahead';
      readonly turn: number;
      readonly plan: ChainPlan;
      readonly order: Uint32Array;
    }
  /** `atOnce`: without the answers to what was accepted. */
  | { readonly kind: 'end-export'; readonly name: string; readonly atOnce: boolean }
  | { readonly kind: 'drain'; readonly timeoutMs: number };

export type FromWorker =
  | { readonly kind: 'listening'; readonly port: number }
  | {
      readonly kind: 'failed';
      readonly code: FaultCode;
      readonly message: string;
    }
  | {
      readonly kind: 'open';
      readonly request: number;
      readonly name: string;
      readonly client: ExportClient;
    }
  | { readonly kind: 'list'; readonly request: number }
  /** Of the data port of a repository. */
  | {
      readonly kind: 'ask';
      readonly request: number;
      readonly repositoryId: string;
      readonly question: unknown;
    }
  /** `failure`: what was written is not on stable storage. */
  | { readonly kind: 'held'; readonly turn: number; readonly failure: string | undefined }
  /** Nothing of the repository is read or written any more. */
  | { readonly kind: 'parted'; readonly turn: number }
  /** With the keys of those that could not go on, and why. */
  | {
      readonly kind: 'resumed';
      readonly turn: number;
      readonly failed: readonly { readonly key: string; readonly message: string }[];
    }
  | {
      readonly kind: 'read-ahead-ended';
      readonly turn: number;
      readonly how: 'done' | 'fast' | 'failed' | 'stopped';
      readonly requests: number;
      readonly bytes: number;
    }
  /** The worker has closed the devices of a plan; one for every `plan` it was given. */
  | { readonly kind: 'released'; readonly key: string; readonly name: string }
  | { readonly kind: 'connected'; readonly connection: WorkerConnection }
  | { readonly kind: 'disconnected'; readonly id: number }
  | { readonly kind: 'drained' };
