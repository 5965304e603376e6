import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  INITRAMFS_KINDS,
  isSealed,
  type OpenVersion,
  type SealedVersion,
  VERSION_STATES,
  type VersionRecord,
} from './records.ts';
import { integer, oneOf, optionalInteger, optionalText, type Row, text } from './row.ts';

const SELECT = `
  SELECT versions.*, layers.content_id, layers.size, layers.data_bytes
  FROM versions JOIN layers ON layers.id = coalesce(versions.layer_id, versions.base_layer_id)`;

export class VersionTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #forgetParent: StatementSync;
  readonly #ofVdisk: StatementSync;
  readonly #all: StatementSync;
  readonly #byNumber: StatementSync;
  readonly #byId: StatementSync;
  readonly #ofLayer: StatementSync;
  readonly #maintained: StatementSync;
  readonly #moveLayer: StatementSync;
  readonly #moveBase: StatementSync;
  readonly #due: StatementSync;
  readonly #deleting: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO versions (
        id, vdisk_id, number, state, private, layer_id, base_layer_id, parent_number, release_at,
        description, format, kernel_file, initrd_file, root_partition, root_filesystem, initramfs,
        boot_files_given, kernel_arguments, created_at, sealed_at
      ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(`
      UPDATE versions SET state = ?, private = ?, layer_id = ?, base_layer_id = ?, release_at = ?,
        description = ?, kernel_file = ?, initrd_file = ?, root_partition = ?, root_filesystem = ?,
        initramfs = ?, boot_files_given = ?, kernel_arguments = ?, sealed_at = ?
      WHERE id = ?`);
    this.#delete = database.prepare('DELETE FROM versions WHERE id = ?');
    this.#forgetParent = database.prepare(
      'UPDATE versions SET parent_number = NULL WHERE vdisk_id = ? AND parent_number = ?',
    );
    this.#ofVdisk = database.prepare(`${SELECT} WHERE vdisk_id = ? ORDER BY number`);
    this.#all = database.prepare(`${SELECT} ORDER BY vdisk_id, number`);
    this.#byNumber = database.prepare(`${SELECT} WHERE vdisk_id = ? AND number = ?`);
    this.#byId = database.prepare(`${SELECT} WHERE versions.id = ?`);
    this.#ofLayer = database.prepare(`${SELECT} WHERE layer_id = ? ORDER BY vdisk_id, number`);
    this.#maintained = database.prepare(`${SELECT} WHERE state = 'maintenance'`);
    this.#moveLayer = database.prepare('UPDATE versions SET layer_id = ? WHERE layer_id = ?');
    this.#moveBase = database.prepare(
      'UPDATE versions SET base_layer_id = ? WHERE base_layer_id = ?',
    );
    this.#due = database.prepare(`${SELECT} WHERE state = 'production' AND release_at <= ?`);
    this.#deleting = database.prepare(`${SELECT} WHERE state = 'deleting'`);
  }

  insert(record: VersionRecord): void {
    const { kernel, initrd, rootPartition, rootFilesystem, initramfs, given } = record.bootFiles;
    this.#insert.run(
      record.id,
      record.vdiskId,
      record.number,
      ...stateColumns(record),
      record.parentNumber ?? null,
      isSealed(record) ? (record.releaseAt ?? null) : null,
      record.description,
      record.format,
      kernel ?? null,
      initrd ?? null,
      rootPartition,
      rootFilesystem ?? null,
      initramfs,
      given ? 1 : 0,
      record.kernelArguments,
      record.createdAt,
      isSealed(record) ? record.sealedAt : null,
    );
  }

  /** Everything but its id, number and origin. */
  update(record: VersionRecord): void {
    const { kernel, initrd, rootPartition, rootFilesystem, initramfs, given } = record.bootFiles;
    this.#update.run(
      ...stateColumns(record),
      isSealed(record) ? (record.releaseAt ?? null) : null,
      record.description,
      kernel ?? null,
      initrd ?? null,
      rootPartition,
      rootFilesystem ?? null,
      initramfs,
      given ? 1 : 0,
      record.kernelArguments,
      isSealed(record) ? record.sealedAt : null,
      record.id,
    );
  }

  delete({ id, vdiskId, number }: VersionRecord): void {
    this.#delete.run(id);
    this.#forgetParent.run(vdiskId, number);
  }

  /** Oldest first. */
  ofVdisk(vdiskId: string): readonly VersionRecord[] {
    return this.#ofVdisk.all(vdiskId).map(record);
  }

  /** Of every vDisk, oldest first: for lists, which would ask for each vDisk otherwise. */
  allByVdisk(): ReadonlyMap<string, readonly VersionRecord[]> {
    return Map.groupBy(this.#all.all().map(record), ({ vdiskId }) => vdiskId);
  }

  byNumber(vdiskId: string, number: number): VersionRecord | undefined {
    return optional(this.#byNumber.get(vdiskId, number));
  }

  byId(id: string): VersionRecord | undefined {
    return optional(this.#byId.get(id));
  }

  /** Sealed versions that the layer is the top of. */
  ofLayer(layerId: string): readonly SealedVersion[] {
    return this.#ofLayer.all(layerId).map(record).filter(isSealed);
  }

  /** Of every vDisk. */
  inMaintenance(): readonly OpenVersion[] {
    return this.#maintained.all().flatMap((row) => {
      const version = record(row);
      return isSealed(version) ? [] : [version];
    });
  }

  /** Those with a date of release that has come. */
  due(now: number): readonly SealedVersion[] {
    return this.#due.all(now).map(record).filter(isSealed);
  }

  /** Those that go when their last reader has left. */
  deleting(): readonly SealedVersion[] {
    return this.#deleting.all().map(record).filter(isSealed);
  }

  /** Whatever stands on one layer stands on the other from now on. */
  moveToLayer(from: string, to: string): void {
    this.#moveLayer.run(to, from);
    this.#moveBase.run(to, from);
  }
}

function stateColumns(record: VersionRecord): [string, number, string | null, string | null] {
  return isSealed(record)
    ? [record.state, 0, record.layerId, null]
    : [record.state, record.isPrivate ? 1 : 0, null, record.baseLayerId];
}

function optional(row: Row | undefined): VersionRecord | undefined {
  return row === undefined ? undefined : record(row);
}

function record(row: Row): VersionRecord {
  const facts = {
    id: text(row, 'id'),
    vdiskId: text(row, 'vdisk_id'),
    number: integer(row, 'number'),
    parentNumber: optionalInteger(row, 'parent_number'),
    description: text(row, 'description'),
    format: text(row, 'format'),
    bootFiles: {
      kernel: optionalText(row, 'kernel_file'),
      initrd: optionalText(row, 'initrd_file'),
      rootPartition: text(row, 'root_partition'),
      rootFilesystem: optionalText(row, 'root_filesystem'),
      initramfs: oneOf(row, 'initramfs', INITRAMFS_KINDS),
      given: integer(row, 'boot_files_given') === 1,
    },
    kernelArguments: text(row, 'kernel_arguments'),
    createdAt: integer(row, 'created_at'),
    size: integer(row, 'size'),
  };
  const state = oneOf(row, 'state', VERSION_STATES);
  if (state === 'maintenance') {
    const isPrivate = integer(row, 'private') === 1;
    return { ...facts, state, isPrivate, baseLayerId: text(row, 'base_layer_id') };
  }
  return {
    ...facts,
    state,
    layerId: text(row, 'layer_id'),
    contentId: text(row, 'content_id'),
    dataBytes: integer(row, 'data_bytes'),
    releaseAt: optionalInteger(row, 'release_at'),
    sealedAt: integer(row, 'sealed_at'),
  };
}
