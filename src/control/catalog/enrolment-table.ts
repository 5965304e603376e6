import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { SETTING_COLUMNS, settingsOf, settingValues } from './machine-settings.ts';
import {
  ENROLMENT_STATES,
  type EnrolmentRecord,
  type EnrolmentState,
  type EnrolmentTemplate,
} from './records.ts';
import { integer, oneOf, optionalText, type Row, text } from './row.ts';

/** Machines that asked to boot and were not known, and what happens to such machines. */
export class EnrolmentTable {
  readonly #insert: StatementSync;
  readonly #seen: StatementSync;
  readonly #setState: StatementSync;
  readonly #delete: StatementSync;
  readonly #forget: StatementSync;
  readonly #byMac: StatementSync;
  readonly #all: StatementSync;
  readonly #template: StatementSync;
  readonly #setTemplate: StatementSync;
  readonly #clearTemplate: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO enrolments (mac, arch, state, first_seen_at, last_seen_at)
      VALUES (?, ?, ?, ?, ?)`);
    this.#seen = database.prepare('UPDATE enrolments SET arch = ?, last_seen_at = ? WHERE mac = ?');
    this.#setState = database.prepare('UPDATE enrolments SET state = ? WHERE mac = ?');
    this.#delete = database.prepare('DELETE FROM enrolments WHERE mac = ?');
    this.#forget = database.prepare(`
      DELETE FROM enrolments WHERE mac IN (
        SELECT mac FROM enrolments ORDER BY state = 'waiting' DESC, last_seen_at ASC
        LIMIT max(0, (SELECT count(*) FROM enrolments) - ?))`);
    this.#byMac = database.prepare('SELECT * FROM enrolments WHERE mac = ?');
    this.#all = database.prepare('SELECT * FROM enrolments ORDER BY last_seen_at DESC, mac');
    this.#template = database.prepare('SELECT * FROM enrolment_template');
    this.#setTemplate = database.prepare(`
      INSERT OR REPLACE INTO enrolment_template
        (only_row, name_pattern, collection_id, ${SETTING_COLUMNS.join(', ')})
      VALUES (1, ?, ?, ${SETTING_COLUMNS.map(() => '?').join(', ')})`);
    this.#clearTemplate = database.prepare('DELETE FROM enrolment_template');
  }

  insert(record: EnrolmentRecord): void {
    const { mac, arch, state, firstSeenAt, lastSeenAt } = record;
    this.#insert.run(mac, arch, state, firstSeenAt, lastSeenAt);
  }

  seen(mac: string, arch: string, at: number): void {
    this.#seen.run(arch, at, mac);
  }

  setState(mac: string, state: EnrolmentState): void {
    this.#setState.run(state, mac);
  }

  delete(mac: string): void {
    this.#delete.run(mac);
  }

  /**
   * Keeps `limit` of them: waiting ones that were not seen for longest go first.
   * @returns how many went
   */
  forgetBeyond(limit: number): number {
    return Number(this.#forget.run(limit).changes);
  }

  byMac(mac: string): EnrolmentRecord | undefined {
    const row = this.#byMac.get(mac);
    return row === undefined ? undefined : record(row);
  }

  /** Last seen first. */
  all(): readonly EnrolmentRecord[] {
    return this.#all.all().map(record);
  }

  /** undefined: unknown machines wait for approval. */
  template(): EnrolmentTemplate | undefined {
    const row = this.#template.get();
    return row === undefined
      ? undefined
      : {
          namePattern: text(row, 'name_pattern'),
          collectionId: optionalText(row, 'collection_id'),
          settings: settingsOf(row),
        };
  }

  setTemplate(template: EnrolmentTemplate | undefined): void {
    if (template === undefined) {
      this.#clearTemplate.run();
      return;
    }
    const { namePattern, collectionId, settings } = template;
    this.#setTemplate.run(namePattern, collectionId ?? null, ...settingValues(settings));
  }
}

function record(row: Row): EnrolmentRecord {
  return {
    mac: text(row, 'mac'),
    arch: text(row, 'arch'),
    state: oneOf(row, 'state', ENROLMENT_STATES),
    firstSeenAt: integer(row, 'first_seen_at'),
    lastSeenAt: integer(row, 'last_seen_at'),
  };
}
