import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { INITRAMFS_KINDS, VERSION_STATES, type VersionRecord } from './records.ts';
import { integer, oneOf, optionalText, type Row, text } from './row.ts';

export class VersionTable {
  readonly #insert: StatementSync;
  readonly #ofVdisk: StatementSync;
  readonly #production: StatementSync;
  readonly #layerIds: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO versions (
        vdisk_id, number, layer_id, content_id, size, data_bytes, format, state, kernel_file,
        initrd_file, root_partition, root_filesystem, initramfs, kernel_arguments, created_at
      ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#ofVdisk = database.prepare('SELECT * FROM versions WHERE vdisk_id = ? ORDER BY number');
    this.#production = database.prepare(`
      SELECT * FROM versions WHERE vdisk_id = ? AND state = 'production'
      ORDER BY number DESC LIMIT 1`);
    this.#layerIds = database.prepare('SELECT layer_id FROM versions');
  }

  insert(record: VersionRecord): void {
    this.#insert.run(
      record.vdiskId,
      record.number,
      record.layerId,
      record.contentId,
      record.size,
      record.dataBytes,
      record.format,
      record.state,
      record.bootFiles.kernel ?? null,
      record.bootFiles.initrd ?? null,
      record.bootFiles.rootPartition,
      record.bootFiles.rootFilesystem ?? null,
      record.bootFiles.initramfs,
      record.kernelArguments,
      record.createdAt,
    );
  }

  /** Oldest first. */
  ofVdisk(vdiskId: string): readonly VersionRecord[] {
    return this.#ofVdisk.all(vdiskId).map(record);
  }

  /** The version that machines boot. */
  production(vdiskId: string): VersionRecord | undefined {
    const row = this.#production.get(vdiskId);
    return row === undefined ? undefined : record(row);
  }

  layerIds(): readonly string[] {
    return this.#layerIds.all().map((row) => text(row, 'layer_id'));
  }
}

function record(row: Row): VersionRecord {
  return {
    vdiskId: text(row, 'vdisk_id'),
    number: integer(row, 'number'),
    layerId: text(row, 'layer_id'),
    contentId: text(row, 'content_id'),
    size: integer(row, 'size'),
    dataBytes: integer(row, 'data_bytes'),
    format: text(row, 'format'),
    state: oneOf(row, 'state', VERSION_STATES),
    bootFiles: {
      kernel: optionalText(row, 'kernel_file'),
      initrd: optionalText(row, 'initrd_file'),
      rootPartition: text(row, 'root_partition'),
      rootFilesystem: optionalText(row, 'root_filesystem'),
      initramfs: oneOf(row, 'initramfs', INITRAMFS_KINDS),
    },
    kernelArguments: text(row, 'kernel_arguments'),
    createdAt: integer(row, 'created_at'),
  };
}
