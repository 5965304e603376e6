/**
 * An adapter: one kind of storage. It finds arrays (`probe`), and attaches one pool of one of them as a
 * repository. A folder of src/adapters exports one, and the VolumeData for the workers.
 */
import type { ArrayControl } from './array-control.ts';
import type { CapabilitySet } from './capabilities.ts';
import type { CheckOptions, CheckReport } from './check-report.ts';
import type { VolumeData } from './ports.ts';

/** A setting of a repository of this kind: what the API takes, the CLI shows and the documentation lists. */
export interface SettingField {
  /** As XenServer's device_config spells it where it has the thing: `target`, `targetIQN`, `serverpath`, `chapuser` … */
  readonly name: string;
  readonly type: 'text' | 'integer' | 'boolean' | 'list';
  readonly required: boolean;
  /** Kept apart, never in an answer, a log or an error. */
  readonly secret: boolean;
  /** A sentence for people, with the unit and the default. */
  readonly description: string;
}

export type SettingValue = string | number | boolean | readonly string[];

/** What an adapter is given to reach its array. Values have been checked against the fields' types. */
export interface Connection {
  /** Of the repository. Goes into locators, and into what the adapter calls things on the array. */
  readonly repositoryId: string;
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** By the field's name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** This server's own name on storage networks: `iqn.2026-01.dev.rootcast:HOST`. */
  readonly initiatorName: string;
}

/** pino's argument order. */
export interface AdapterLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** What an adapter takes from its surroundings, so that a test can own it. */
export interface AdapterParts {
  readonly log: AdapterLog;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** The service's data folder: nothing in it is a repository. Where repositories are attached. */
  readonly ownFolder?: string | undefined;
}

/**
 * One step of finding storage: address → systems → pools → capabilities. `found` says what could be chosen;
 * `choose` names the setting that each choice fills. No `choose`: everything is known, and it can be attached.
 */
export interface ProbeAnswer {
  readonly step: 'address' | 'system' | 'pool' | 'ready';
  /** The setting that the next call must have. */
  readonly choose: string | undefined;
  readonly found: readonly ProbeFinding[];
  /** At the last step: what the array does by itself. undefined: only trying would tell, and a probe changes nothing. */
  readonly capabilities?: CapabilitySet;
}

export interface ProbeFinding {
  /** What to put into the setting `choose`. */
  readonly value: string;
  /** For people. */
  readonly description: string;
  /** Other settings that this choice brings, e.g. the portals of a target. */
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** Bytes, where known. */
  readonly size?: number;
  /** What a disk says of itself; '' where it says nothing. */
  readonly disk?: {
    readonly vendor: string;
    readonly product: string;
    readonly serial: string;
    /** Ways to it that the host has, where it is the host that knows. */
    readonly paths?: number;
  };
  /** It holds a repository of Rootcast already: its id and, for people, its name. */
  readonly holds?: { readonly repositoryId: string; readonly name?: string };
}

/**
 * How a worker's data port asks the control port of its repository (ArrayControl.answer): to open, to allocate, never for
 * a block that is where it was. Structured clones; shared memory in an answer is shared.
 */
export type AskControl = (question: unknown) => Promise<unknown>;

export interface Adapter {
  /** As in a locator. */
  readonly kind: string;
  /** For people. */
  readonly description: string;
  readonly settings: readonly SettingField[];
  /**
   * Changes nothing.
   * @throws ArrayError UNREACHABLE, AUTH_FAILED, TOOL_MISSING, INVALID_ARGUMENT …
   */
  probe(
    connection: Omit<Connection, 'repositoryId'>,
    parts: AdapterParts,
    signal: AbortSignal,
  ): Promise<ProbeAnswer>;
  /**
   * Logs in, checks who owns the storage, and freezes what it can do.
   * @param options.create the storage is new: make it ours. It must be empty, or `ALREADY_MANAGED` is thrown.
   *   Absent: it must be ours already (of this repository id).
   * @param options.takeOver another server owned it: raise the fencing epoch, so that the other cannot go on
   * @throws ArrayError
   */
  attach(
    connection: Connection,
    parts: AdapterParts,
    options: {
      readonly create?: boolean;
      readonly takeOver?: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<ArrayControl>;
  /**
   * Checks what Rootcast keeps on the storage besides data, and repairs it where that is wanted and nothing must be
   * guessed. Of storage that this service has not attached. Absent: it keeps nothing of the kind.
   * @param connection.repositoryId the one that is meant; '': whatever is there
   * @throws ArrayError EXCLUSIVE_ATTACHED, ALREADY_MANAGED (it holds another one), UNREACHABLE …
   */
  check?(connection: Connection, parts: AdapterParts, options: CheckOptions): Promise<CheckReport>;
  /** The data port of an attached repository, in the thread that calls it. Connects when a volume is opened. */
  openData(connection: Connection, parts: AdapterParts, ask: AskControl): VolumeData;
}
