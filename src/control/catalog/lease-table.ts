import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { LeaseRecord } from './records.ts';
import { integer, text } from './row.ts';

/** DHCP leases, so that a restart does not hand out an address that is taken. */
export class LeaseTable {
  readonly #save: StatementSync;
  readonly #delete: StatementSync;
  readonly #all: StatementSync;

  constructor(database: DatabaseSync) {
    this.#save = database.prepare(
      'INSERT OR REPLACE INTO leases (ip, mac, expires_at, state) VALUES (?, ?, ?, ?)',
    );
    this.#delete = database.prepare('DELETE FROM leases WHERE ip = ?');
    this.#all = database.prepare('SELECT * FROM leases ORDER BY ip');
  }

  save(lease: LeaseRecord): void {
    this.#save.run(lease.ip, lease.mac, lease.expiresAt, lease.state);
  }

  delete(ip: string): void {
    this.#delete.run(ip);
  }

  all(): readonly LeaseRecord[] {
    return this.#all.all().map((row) => ({
      ip: text(row, 'ip'),
      mac: text(row, 'mac'),
      expiresAt: integer(row, 'expires_at'),
      state: text(row, 'state'),
    }));
  }
}
