/**
 * kill -9 while snapshots are taken, deleted and merged under load: every acknowledged write is in the volume,
 * every snapshot that is there holds what was acknowledged before it began and nothing that began after it was
 * there, and nothing is on the array that the catalog does not know.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { FolderArray } from '../support/folder-array.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { VolumeRig } from '../support/volume-rig.ts';

const SECTOR = 512;
const SIZE = 4 * 1024 * 1024;
const SECTORS = SIZE / SECTOR;
const LANES = 4;
const ROUNDS = 4;

interface Change {
  readonly at: number;
  readonly count: number;
  readonly value: number;
}

/** What a snapshot may hold: what sectors held when it began, and what was written to them until it was there. */
interface Moment {
  readonly values: Int16Array;
  readonly changes: Change[];
}

class Model {
  readonly values = new Int16Array(SECTORS);
  readonly snapshots = new Map<string, Moment>();
  readonly #taking = new Map<string, Moment>();
  underWay: (Change | undefined)[] = [];
  acknowledged = 0;

  replay(text: string): void {
    this.underWay = Array.from({ length: LANES });
    const lines = text.split('\n');
    lines.pop(); // cut in the middle, or empty
    for (const line of lines) this.#line(line);
    // One that was being taken may be there.
    for (const [name, moment] of this.#taking) this.snapshots.set(name, moment);
    this.#taking.clear();
  }

  #line(line: string): void {
    const [mark, first = '', at = '', count = '', value = ''] = line.split(' ');
    if (mark === '?') {
      const change = { at: Number(at), count: Number(count), value: Number(value) };
      this.underWay[Number(first)] = change;
      for (const moment of this.#taking.values()) moment.changes.push(change);
    } else if (mark === '!') {
      const done = this.underWay[Number(first)];
      if (done === undefined) throw new Error(`acknowledged, never announced: ${line}`);
      this.values.fill(done.value, done.at, done.at + done.count);
      this.underWay[Number(first)] = undefined;
      this.acknowledged += 1;
    } else if (mark === 's') {
      const changes = this.underWay.filter((change) => change !== undefined);
      this.#taking.set(first, { values: Int16Array.from(this.values), changes });
    } else {
      const moment = this.#taking.get(first);
      if (moment !== undefined) this.snapshots.set(first, moment);
      this.#taking.delete(first);
    }
  }
}

function check(what: string, content: Buffer, { values, changes }: Moment): void {
  for (let sector = 0; sector < SECTORS; sector++) {
    const piece = content.subarray(sector * SECTOR, (sector + 1) * SECTOR);
    const value = piece[0] ?? 0;
    if (!piece.every((byte) => byte === value))
      throw new Error(`${what}: sector ${sector} is torn`);
    if (value === values[sector]) continue;
    const isMaybe = changes.some(
      (change) =>
        change.value === value && sector >= change.at && sector < change.at + change.count,
    );
    if (!isMaybe) {
      throw new Error(`${what}: sector ${sector} holds ${value}, not ${values[sector]}`);
    }
    values[sector] = value;
  }
}

async function oneLife(folder: string, seed: number, ms: number): Promise<string> {
  const script = fileURLToPath(new URL('./volume-writer-process.ts', import.meta.url));
  const child = spawn(process.execPath, [script, ...[folder, SIZE, seed, LANES].map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const left = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), left]);
  await sleep(ms);
  child.kill('SIGKILL');
  const [, signal] = await left;
  expect(signal).toBe('SIGKILL');
  return text;
}

async function readAll(rig: VolumeRig, name: string): Promise<Buffer> {
  return rig.withExport(name, async (device) => {
    const content = Buffer.alloc(SIZE);
    await device.read(content, 0);
    return content;
  });
}

test(`snapshots under load outlive kill -9 (seed ${SEED})`, async () => {
  const random = seededRandom();
  const folder = await temporaryFolder('volume-kill');
  const model = new Model();
  let found = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = Math.floor(random() * 2 ** 31);
      model.replay(await oneLife(folder.path, seed, random() * 900));
      const array = new FolderArray(join(folder.path, 'array'));
      const rig = await VolumeRig.open({
        path: join(folder.path, 'catalog'),
        arrays: { one: array },
      });
      if (rig.catalog.volumes.byId('v') === undefined) throw new Error('no volume');
      const changes = model.underWay.filter((change) => change !== undefined);
      check(`round ${round}, the volume`, await readAll(rig, 'volume/one/v'), {
        values: model.values,
        changes,
      });
      const snapshots = rig.catalog.snapshots.page({
        ...{ repositoryId: 'one', volumeId: 'v', after: undefined, limit: 100 },
      });
      for (const { id } of snapshots) {
        const moment = model.snapshots.get(id);
        if (moment === undefined) throw new Error(`a snapshot ${id} that was never announced`);
        check(`round ${round}, ${id}`, await readAll(rig, `volume/one/v@${id}`), moment);
        found += 1;
      }
      await rig.idle();
      const nodes = rig.catalog.volumeNodes;
      const head = nodes.ofVolume('v');
      const known = new Set<string>(head === undefined ? ['v'] : []);
      for (const node of head === undefined ? [] : nodes.chain(head.id)) {
        known.add(node.data.tag);
        if (node.map !== undefined) known.add(node.map.tag);
      }
      const files = (await readdir(join(folder.path, 'array'))).map((name) =>
        name.replace(/\.volume$/, ''),
      );
      expect(files.sort()).toEqual([...known].sort());
      expect(rig.troubles).toEqual([]);
      await rig.close();
    }
    expect(model.acknowledged).toBeGreaterThan(ROUNDS);
    expect(found).toBeGreaterThan(0);
  } finally {
    await folder.remove();
  }
}, 40_000);
