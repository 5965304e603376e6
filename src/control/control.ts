/**
 * What every operation works with. Operations are functions of (control, input); this holds the
 * catalog, the ports and the running tasks, and makes changes and their events one transaction.
 */
import { KeyedMutex } from '../base/index.ts';
import { currentActor } from './actor.ts';
import type { BootMedia } from './boot-media-port.ts';
import { type BootReads, NO_BOOT_READS } from './boot-reads-port.ts';
import { type AdmissionSettings, BootAdmission, NO_ADMISSION } from './boots/admission.ts';
import { MergedTraces, type Recordings } from './boots/merged-traces.ts';
import { BootPreludes } from './boots/preludes.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { EventRecord, TaskRecord } from './catalog/records.ts';
import { EnrolmentWindow } from './enrolment-window.ts';
import type { HookRunner } from './hook-port.ts';
import {
  DEFAULT_CONSOLIDATE_BEYOND,
  DEFAULT_MAINTENANCE_LEASE_MS,
  MAX_EVENTS,
  PASSWORD_LOG_COST,
} from './limits.ts';
import { NO_BOOT_MEDIA, NO_HOOKS, NO_PREPARER, NO_REPLICAS, NO_STORAGE } from './no-storage.ts';
import type { Clock, DataPlane, ImageStore } from './ports.ts';
import type { ImagePreparer } from './prepare-port.ts';
import type { LayerReplicas } from './replica-port.ts';
import type { ReplicationParts } from './replication-port.ts';
import { MeasuredSpaces } from './storage/measured-spaces.ts';
import type { Storage } from './storage-port.ts';
import { TaskRunner } from './tasks/task-runner.ts';
import type { Transfers } from './transfer-port.ts';
import { PasswordTurns } from './xen/password-turns.ts';
import { RootPassword } from './xen/root-password.ts';

export interface ControlOptions {
  readonly catalog: Catalog;
  readonly dataPlane: DataPlane;
  readonly images: ImageStore;
  readonly transfers: Transfers;
  /** Repositories; absent: it has none. */
  readonly storage?: Storage;
  readonly hooks?: HookRunner;
  /** Absent: nothing is replicated. */
  readonly replication?: ReplicationParts;
  /** Absent: layers have no copies. */
  readonly replicas?: LayerReplicas;
  /** Absent: it makes none. */
  readonly bootMedia?: BootMedia;
  /** Absent: images are imported as they are. */
  readonly preparer?: ImagePreparer;
  /** How many machines boot at once; absent: any number. */
  readonly admission?: AdmissionSettings;
  /** Absent: boots are not recorded, and nothing is read ahead. */
  readonly bootReads?: BootReads;
  /** Of the user root of XenAPI; absent: there is no such user. */
  readonly xenRootPassword?: string | undefined;
  /** Of hashing a password: 2 to its power. */
  readonly passwordLogCost?: number;
  readonly clock: Clock;
  /** A fresh unique id, e.g. crypto.randomUUID. */
  readonly newId: () => string;
  /** Name of this server, for people. */
  readonly serverName: string;
  /** Version of the program. */
  readonly version: string;
  /** For so long nobody else may write what a machine was writing that is not heard of any more. */
  readonly maintenanceLeaseMs?: number;
  /** Layers of a version beyond which they are merged by themselves; 0: never. */
  readonly consolidateBeyond?: number;
  /** Called for every event once it is kept: the service's log. */
  readonly onEvent?: (event: EventRecord) => void;
}

export interface NewEvent {
  /** Dotted word, e.g. `machine.added`. */
  readonly kind: string;
  readonly subject: string;
  /** A sentence for people. */
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export type RecordEvent = (event: NewEvent) => void;

/** Tasks that keep no event of their own when they fail. */
const TOLD_TASKS: ReadonlySet<string> = new Set([
  'repository.create',
  'repository.attach',
  'volume.create',
  'volume.delete',
  'volume.resize',
  'volume.clone',
  'volume.split',
  'volume.revert',
  'snapshot.create',
  'snapshot.delete',
  'snapshot-schedule.run',
  'version.seal',
  'version.merge',
  'machine.capture',
  'vdisk.verify',
  'vdisk.replicate',
]);

/** Of one boot. */
export interface GivenIdentity {
  readonly bootId: number;
  readonly address: string;
  /** It was told that somebody else asked for it, too. */
  readonly toldOthers: boolean;
}

export class Control {
  readonly catalog: Catalog;
  readonly dataPlane: DataPlane;
  readonly images: ImageStore;
  readonly transfers: Transfers;
  readonly storage: Storage;
  readonly hooks: HookRunner;
  readonly replication: ReplicationParts | undefined;
  readonly replicas: LayerReplicas;
  readonly bootMedia: BootMedia;
  readonly preparer: ImagePreparer;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly serverName: string;
  readonly version: string;
  readonly startedAt: number;
  readonly maintenanceLeaseMs: number;
  readonly consolidateBeyond: number;
  readonly tasks: TaskRunner;
  /** Machines whose full write cache has been told of (observe-caches.ts). */
  readonly fullCaches = new Set<string>();
  /** Who was given a machine's identity in which boot, by the machine's id (operations/identity.ts). */
  readonly identities = new Map<string, GivenIdentity>();
  /** What machines' SSH host keys are known by, by the machine's id (operations/identity.ts). */
  readonly sshPublicKeys = new Map<string, readonly string[]>();
  readonly admission: BootAdmission;
  readonly bootReads: BootReads;
  readonly preludes = new BootPreludes();
  readonly mergedTraces = new MergedTraces();
  readonly recordings: Recordings = new Map();
  readonly enrolmentWindow = new EnrolmentWindow();
  readonly passwords: PasswordTurns;
  /** undefined: XenAPI has no user root. */
  readonly xenRoot: RootPassword | undefined;
  /** What is done with a replication, one after the other. By its id. */
  readonly replicationTurns = new KeyedMutex();
  /** The task that sends a point of a replication, by the replication's id. */
  readonly replicationRuns = new Map<string, string>();
  /** Layers are copied into one repository one after the other. By its id. */
  readonly replicaTurns = new KeyedMutex();
  /** The task that copies a vDisk's layers, by vDisk and repository (replicas/copy-layers.ts). */
  readonly replicaRuns = new Map<string, string>();
  /** What changes a repository, a volume or its snapshots, one after the other (storage/turns.ts). */
  readonly storageTurns = new KeyedMutex();
  /** Volumes and snapshots that are being deleted (storage/dying.ts). */
  readonly dying = new Set<string>();
  /** What repositories said of their space last, by id (observe-repositories.ts). */
  readonly spaces = new MeasuredSpaces();
  readonly #onEvent: (event: EventRecord) => void;

  constructor(options: ControlOptions) {
    this.catalog = options.catalog;
    this.dataPlane = options.dataPlane;
    this.images = options.images;
    this.transfers = options.transfers;
    this.storage = options.storage ?? NO_STORAGE;
    this.hooks = options.hooks ?? NO_HOOKS;
    this.replication = options.replication;
    this.replicas = options.replicas ?? NO_REPLICAS;
    this.bootMedia = options.bootMedia ?? NO_BOOT_MEDIA;
    this.preparer = options.preparer ?? NO_PREPARER;
    this.admission = new BootAdmission(options.admission ?? NO_ADMISSION);
    this.bootReads = options.bootReads ?? NO_BOOT_READS;
    const { xenRootPassword, passwordLogCost = PASSWORD_LOG_COST } = options;
    this.passwords = new PasswordTurns(passwordLogCost);
    this.xenRoot = xenRootPassword === undefined ? undefined : new RootPassword(xenRootPassword);
    this.clock = options.clock;
    this.newId = options.newId;
    this.serverName = options.serverName;
    this.version = options.version;
    this.startedAt = options.clock.now();
    this.maintenanceLeaseMs = options.maintenanceLeaseMs ?? DEFAULT_MAINTENANCE_LEASE_MS;
    this.consolidateBeyond = options.consolidateBeyond ?? DEFAULT_CONSOLIDATE_BEYOND;
    this.tasks = new TaskRunner(options.catalog, options.clock, options.newId, (task) =>
      this.#tellFailed(task),
    );
    this.#onEvent = options.onEvent ?? (() => {});
  }

  /** Work on versions begins by itself too, or is not waited for: its failure is an event as well. */
  #tellFailed({ kind, subject, state, message, id, error }: TaskRecord): void {
    if (!TOLD_TASKS.has(kind) || state === 'succeeded') return;
    const how = state === 'cancelled' ? 'was cancelled' : `failed: ${message}`;
    this.change((record) =>
      record({
        kind: `task.${state}`,
        subject,
        message: `${kind} of ${subject} ${how}`,
        data: { taskId: id, ...(error === undefined ? {} : { code: error.code }) },
      }),
    );
  }

  /** A change and the events that tell of it: kept together or not at all, told once kept. */
  change<T>(work: (record: RecordEvent) => T): T {
    const told: EventRecord[] = [];
    const actor = currentActor();
    const result = this.catalog.transaction(() =>
      work(({ kind, subject, message, data = {} }) => {
        const event = { at: this.clock.now(), actor, kind, subject, message, data };
        told.push(this.catalog.events.insert(event, MAX_EVENTS));
      }),
    );
    for (const event of told) this.#onEvent(event);
    return result;
  }
}

export function createControl(options: ControlOptions): Control {
  return new Control(options);
}

/** Keeps one event that comes with no change of the catalog. */
export function recordEvent(control: Control, event: NewEvent): void {
  control.change((record) => record(event));
}

/** Ends the running tasks as failed ("the service stopped") and waits for them. */
export async function closeControl(control: Control): Promise<void> {
  await control.tasks.close();
}
