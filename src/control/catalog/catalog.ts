/**
 * What Rootcast knows: one SQLite database, one table class per record. Everything is synchronous
 * and on one thread, so what runs inside `transaction` sees and makes one consistent state.
 */
import type { DatabaseSync } from 'node:sqlite';
import { BootQueueTable, BootRuleTable } from './boot-queue-table.ts';
import { BootTable } from './boot-table.ts';
import { CollectionTable } from './collection-table.ts';
import { databaseFault, openDatabase } from './database.ts';
import { EnrolmentTable } from './enrolment-table.ts';
import { EventTable } from './event-table.ts';
import { LayerTable } from './layer-table.ts';
import { LeaseTable } from './lease-table.ts';
import { LockTable } from './lock-table.ts';
import { MachineCacheTable } from './machine-cache-table.ts';
import { MachineTable } from './machine-table.ts';
import { OverlayPlaceTable } from './overlay-place-table.ts';
import { PersonalityTable } from './personality-table.ts';
import { RemovalTable } from './removal-table.ts';
import { ReplicaTable } from './replica-table.ts';
import { PointTable } from './replication/point-table.ts';
import { ReplicationTable } from './replication/replication-table.ts';
import { RowChanges, type RowsListener } from './row-changes.ts';
import { ChangeLogTable } from './storage/change-log-table.ts';
import { GroupTable } from './storage/group-table.ts';
import { HookDebtTable } from './storage/hook-debt-table.ts';
import { HookTable } from './storage/hook-table.ts';
import { HostTable } from './storage/host-table.ts';
import { RepositoryTable } from './storage/repository-table.ts';
import { ScheduleTable } from './storage/schedule-table.ts';
import { SecretTable } from './storage/secret-table.ts';
import { SnapshotTable } from './storage/snapshot-table.ts';
import { TrackedDiskTable } from './storage/tracked-disk-table.ts';
import { UnsettledTable } from './storage/unsettled-table.ts';
import { LeftoverTable, VolumeNodeTable } from './storage/volume-node-table.ts';
import { VolumeTable } from './storage/volume-table.ts';
import { TaskTable } from './task-table.ts';
import { TraceTable } from './trace-table.ts';
import { VdiskTable } from './vdisk-table.ts';
import { VersionTable } from './version-table.ts';
import { XenObjectTable } from './xen/xen-object-table.ts';
import { XenUserTable } from './xen/xen-user-table.ts';

export class Catalog {
  readonly #database: DatabaseSync;
  readonly #changes: RowChanges;
  readonly vdisks: VdiskTable;
  readonly versions: VersionTable;
  readonly layers: LayerTable;
  readonly machines: MachineTable;
  readonly collections: CollectionTable;
  readonly machineCaches: MachineCacheTable;
  readonly personality: PersonalityTable;
  readonly locks: LockTable;
  readonly enrolments: EnrolmentTable;
  readonly boots: BootTable;
  readonly bootQueue: BootQueueTable;
  readonly bootRules: BootRuleTable;
  readonly traces: TraceTable;
  readonly leases: LeaseTable;
  readonly events: EventTable;
  readonly tasks: TaskTable;
  readonly removals: RemovalTable;
  readonly repositories: RepositoryTable;
  readonly secrets: SecretTable;
  readonly volumes: VolumeTable;
  readonly volumeNodes: VolumeNodeTable;
  readonly unsettled: UnsettledTable;
  readonly arrayLeftovers: LeftoverTable;
  readonly overlayPlaces: OverlayPlaceTable;
  readonly snapshots: SnapshotTable;
  readonly trackedDisks: TrackedDiskTable;
  readonly changeLogs: ChangeLogTable;
  readonly hosts: HostTable;
  readonly volumeGroups: GroupTable;
  readonly schedules: ScheduleTable;
  readonly hooks: HookTable;
  readonly hookDebts: HookDebtTable;
  readonly replications: ReplicationTable;
  readonly points: PointTable;
  readonly replicas: ReplicaTable;
  readonly xenObjects: XenObjectTable;
  readonly xenUsers: XenUserTable;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#changes = new RowChanges(database);
    this.vdisks = new VdiskTable(database);
    this.versions = new VersionTable(database);
    this.layers = new LayerTable(database);
    this.machines = new MachineTable(database);
    this.collections = new CollectionTable(database);
    this.machineCaches = new MachineCacheTable(database);
    this.personality = new PersonalityTable(database);
    this.locks = new LockTable(database);
    this.enrolments = new EnrolmentTable(database);
    this.boots = new BootTable(database);
    this.bootQueue = new BootQueueTable(database);
    this.bootRules = new BootRuleTable(database);
    this.traces = new TraceTable(database);
    this.leases = new LeaseTable(database);
    this.events = new EventTable(database);
    this.tasks = new TaskTable(database);
    this.removals = new RemovalTable(database);
    this.repositories = new RepositoryTable(database);
    this.secrets = new SecretTable(database);
    this.volumes = new VolumeTable(database);
    this.volumeNodes = new VolumeNodeTable(database);
    this.unsettled = new UnsettledTable(database);
    this.arrayLeftovers = new LeftoverTable(database);
    this.overlayPlaces = new OverlayPlaceTable(database);
    this.snapshots = new SnapshotTable(database);
    this.trackedDisks = new TrackedDiskTable(database);
    this.changeLogs = new ChangeLogTable(database);
    this.hosts = new HostTable(database);
    this.volumeGroups = new GroupTable(database);
    this.schedules = new ScheduleTable(database);
    this.hooks = new HookTable(database);
    this.hookDebts = new HookDebtTable(database);
    this.replications = new ReplicationTable(database);
    this.points = new PointTable(database);
    this.replicas = new ReplicaTable(database);
    this.xenObjects = new XenObjectTable(database);
    this.xenUsers = new XenUserTable(database);
  }

  /**
   * All of `work` or nothing of it. One inside another is part of the outer one.
   * @throws Fault NO_SPACE, UNAVAILABLE, PERMISSION_DENIED for what SQLite reports; whatever `work`
   *   throws otherwise
   */
  transaction<T>(work: () => T): T {
    if (this.#database.isTransaction) return work();
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      const result = work();
      this.#database.exec('COMMIT');
      this.#changes.tell();
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw databaseFault(error);
    }
  }

  /**
   * Calls `listener` with the rows of some tables (row-changes.ts) that may have changed: of a transaction before it
   * returns, of a statement outside of any before anybody who awaits something goes on. What `listener` changes itself
   * it is told of, too. It may not throw: nobody would hear of it.
   * @returns ends it
   * @throws Fault INTERNAL inside of a transaction
   */
  onRowsChanged(listener: RowsListener): () => void {
    return this.#changes.listen(listener);
  }

  close(): void {
    this.#changes.close();
    if (this.#database.isOpen) this.#database.close();
  }
}

/**
 * @param path of the database file, or `:memory:`
 * @throws Fault IN_USE (another service has it open), UNAVAILABLE (damaged, or written by a newer
 *   Rootcast), PERMISSION_DENIED, NO_SPACE
 */
export function openCatalog(path: string): Catalog {
  return new Catalog(openDatabase(path));
}
