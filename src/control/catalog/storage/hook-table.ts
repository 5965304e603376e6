import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { integer, oneOf, optionalText, type Row, text } from '../row.ts';
import {
  HOOK_MOMENTS,
  HOOK_POLICIES,
  type HookAction,
  type HookMoment,
  type HookOwner,
  type HookRecord,
} from './records.ts';

export class HookTable {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #byName: StatementSync;
  readonly #all: StatementSync;
  readonly #of: Readonly<Record<HookOwner['kind'], StatementSync>>;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`
      INSERT INTO hooks (id, created_at, repository_id, volume_id, group_id, name, moment, argv, url,
        timeout_ms, policy, quiesces, enabled)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = database.prepare(`
      UPDATE hooks SET name = ?, moment = ?, argv = ?, url = ?, timeout_ms = ?, policy = ?, quiesces = ?,
        enabled = ?
      WHERE id = ?`);
    this.#delete = database.prepare('DELETE FROM hooks WHERE id = ?');
    this.#byName = database.prepare('SELECT * FROM hooks WHERE name = ?');
    this.#all = database.prepare('SELECT * FROM hooks ORDER BY name');
    const of = (column: string): StatementSync =>
      database.prepare(
        `SELECT * FROM hooks WHERE ${column} = ? AND moment = ? AND enabled = 1 ORDER BY name`,
      );
    this.#of = { repository: of('repository_id'), volume: of('volume_id'), group: of('group_id') };
  }

  insert(hook: HookRecord): void {
    const { id, createdAt, owner } = hook;
    const owners = (['repository', 'volume', 'group'] as const).map((kind) =>
      owner.kind === kind ? owner.id : null,
    );
    this.#insert.run(id, createdAt, ...owners, ...changeable(hook));
  }

  /** Everything but its id, owner and origin. */
  update(hook: HookRecord): void {
    this.#update.run(...changeable(hook), hook.id);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  byName(name: string): HookRecord | undefined {
    const row = this.#byName.get(name);
    return row === undefined ? undefined : record(row);
  }

  /** By name. */
  all(): readonly HookRecord[] {
    return this.#all.all().map(record);
  }

  /** Those that are enabled, by name. */
  ofOwner(owner: HookOwner, moment: HookMoment): readonly HookRecord[] {
    return this.#of[owner.kind].all(owner.id, moment).map(record);
  }
}

function changeable({ name, moment, action, timeoutMs, policy, quiesces, enabled }: HookRecord) {
  return [
    name,
    moment,
    action.kind === 'exec' ? JSON.stringify(action.argv) : null,
    action.kind === 'webhook' ? action.url : null,
    timeoutMs,
    policy,
    quiesces ? 1 : 0,
    enabled ? 1 : 0,
  ] as const;
}

function record(row: Row): HookRecord {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    owner: ownerOf(row),
    moment: oneOf(row, 'moment', HOOK_MOMENTS),
    action: actionOf(row),
    timeoutMs: integer(row, 'timeout_ms'),
    policy: oneOf(row, 'policy', HOOK_POLICIES),
    quiesces: integer(row, 'quiesces') === 1,
    enabled: integer(row, 'enabled') === 1,
    createdAt: integer(row, 'created_at'),
  };
}

function ownerOf(row: Row): HookOwner {
  const repository = optionalText(row, 'repository_id');
  if (repository !== undefined) return { kind: 'repository', id: repository };
  const volume = optionalText(row, 'volume_id');
  if (volume !== undefined) return { kind: 'volume', id: volume };
  return { kind: 'group', id: text(row, 'group_id') };
}

function actionOf(row: Row): HookAction {
  const argv = optionalText(row, 'argv');
  if (argv === undefined) return { kind: 'webhook', url: text(row, 'url') };
  return { kind: 'exec', argv: JSON.parse(argv) as readonly string[] }; // we wrote it
}
