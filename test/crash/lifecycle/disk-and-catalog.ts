/** Whether the data folder of a service holds what its catalog knows, and nothing else. */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

interface LayerRow {
  readonly id: string;
  readonly parent_id: string | null;
  readonly volume_id: string;
}

/** The catalog as it is on disk: the service has locked its own. */
function readCatalog<T>(data: string, read: (database: DatabaseSync) => T): T {
  const copy = mkdtempSync(join(tmpdir(), 'rootcast-catalog-copy-'));
  try {
    for (const name of ['catalog.sqlite', 'catalog.sqlite-wal']) {
      if (existsSync(join(data, name))) copyFileSync(join(data, name), join(copy, name));
    }
    const database = new DatabaseSync(join(copy, 'catalog.sqlite'));
    try {
      return read(database);
    } finally {
      database.close();
    }
  } finally {
    rmSync(copy, { recursive: true });
  }
}

const column = (database: DatabaseSync, sql: string): string[] =>
  database
    .prepare(sql)
    .all()
    .map((row) => String(Object.values(row)[0]));

/** @returns what is wrong; of a service that has started and does nothing */
export function whatIsWrong(data: string): readonly string[] {
  const wrong: string[] = [];
  const known = readCatalog(data, (database) => {
    wrong.push(...column(database, 'PRAGMA integrity_check').filter((line) => line !== 'ok'));
    wrong.push(...column(database, 'PRAGMA foreign_key_check').map((table) => `keys of ${table}`));
    wrong.push(
      ...column(database, 'SELECT id FROM removals').map((id) => `${id} is to be removed`),
    );
    const running = column(database, "SELECT kind FROM tasks WHERE state = 'running'");
    wrong.push(...running.map((kind) => `${kind} is running`));
    return {
      layers: database.prepare('SELECT id, parent_id, volume_id FROM layers').all() as unknown[],
      owners: column(
        database,
        "SELECT id FROM machines UNION SELECT id FROM versions WHERE state = 'maintenance'",
      ),
    };
  });
  const layers = known.layers as LayerRow[];
  wrong.push(...layersThatDiffer(data, layers), ...volumesThatDiffer(data, layers, known.owners));
  return wrong;
}

function layersThatDiffer(data: string, layers: readonly LayerRow[]): string[] {
  const found = readdirSync(join(data, 'layers'));
  const wrong = found
    .filter((name) => !layers.some(({ id }) => id === name))
    .map((name) => `nobody knows layers/${name}`);
  for (const { id, parent_id } of layers) {
    const files = ['manifest', 'boot', ...(parent_id === null ? [] : ['map'])];
    const lacks = files.filter((file) => !existsSync(join(data, 'layers', id, file)));
    wrong.push(...lacks.map((file) => `layer ${id} has no ${file}`));
  }
  return wrong;
}

function volumesThatDiffer(
  data: string,
  layers: readonly LayerRow[],
  owners: readonly string[],
): string[] {
  const wrong: string[] = [];
  const found = readdirSync(join(data, 'repository')).map((file) => file.replace(/\.volume$/, ''));
  const ofLayers = new Set(layers.map(({ volume_id }) => volume_id));
  for (const volume of ofLayers) if (!found.includes(volume)) wrong.push(`${volume} is missing`);
  const overlays = new Map<string, string[]>();
  for (const name of found) {
    if (ofLayers.has(name) || name.startsWith('journal.')) continue;
    const [kind, owner = '', generation = '', , role = ''] = name.split('.');
    if (kind !== 'overlay' || !owners.includes(owner)) wrong.push(`nobody knows volume ${name}`);
    overlays.set(owner, [...(overlays.get(owner) ?? []), `${generation}.${role}`]);
  }
  for (const [owner, volumes] of overlays) {
    const generation = volumes[0]?.split('.')[0];
    const whole = [`${generation}.data`, `${generation}.map`];
    if (volumes.sort().join() !== whole.join()) wrong.push(`${owner} has ${volumes.join()}`);
  }
  return wrong;
}
