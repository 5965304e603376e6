/**
 * kill -9 at random moments under load, again and again on the same overlay: every acknowledged write
 * is there, and a write that was under way left each sector old or new.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../src/adapters/local/index.ts';
import { ZeroDevice } from '../../src/block/index.ts';
import type { VolumeLocator } from '../../src/repositories/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  recoverOverlay,
} from '../../src/vdisk/index.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SECTOR = 512;
const SIZE = 24 * 1024 * 1024 + 5 * SECTOR;
const LANES = 6;
const ROUNDS = 8;
const BOOT = 'this-boot';

interface Announced {
  readonly at: number;
  readonly count: number;
  readonly value: number;
}

describe(`kill -9 under load (seed ${SEED})`, () => {
  const random = seededRandom();
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: VolumeLocator;
  let map: VolumeLocator;
  const volumes = new LocalVolumeData({ log: { warn: () => {} } });
  /** What every sector holds; -1 where either of two values may be, until it was looked at. */
  const expected = new Int16Array(SIZE / SECTOR);

  beforeAll(async () => {
    folder = await temporaryFolder('kill');
    const control = await LocalVolumeControl.attach(join(folder.path, 'volumes'));
    data = (await control.createVolume({ id: 'data', size: SIZE })).locator;
    map = (await control.createVolume({ id: 'map', size: overlayMapBytes(SIZE) })).locator;
    const device = await volumes.open(map, { write: true });
    await formatOverlay(device, { size: SIZE, bootId: BOOT });
    await device.close();
  });
  afterAll(() => folder.remove());

  /** Runs the writer for a while, kills it, and returns what it said. */
  async function oneLife(round: number): Promise<{ text: string; signal: unknown }> {
    const script = fileURLToPath(new URL('./overlay-writer-process.ts', import.meta.url));
    const seed = Math.floor(random() * 2 ** 31) + round;
    const options = [folder.path, SIZE, seed, LANES, BOOT].map(String);
    const child = spawn(process.execPath, [script, ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const left = once(child, 'close');
    await Promise.race([once(child.stdout, 'data'), left]);
    await sleep(random() * 400);
    child.kill('SIGKILL');
    const [, signal] = await left;
    return { text, signal };
  }

  /** Replays the log; returns what each lane had under way when it died. */
  function replay(text: string): { acknowledged: number; underWay: (Announced | undefined)[] } {
    const underWay: (Announced | undefined)[] = Array.from({ length: LANES });
    let acknowledged = 0;
    const lines = text.split('\n');
    lines.pop(); // cut in the middle, or empty
    for (const line of lines) {
      const [mark, laneText = '', at = '', count = '', value = ''] = line.split(' ');
      const lane = Number(laneText);
      if (mark === '?') {
        underWay[lane] = { at: Number(at), count: Number(count), value: Number(value) };
        continue;
      }
      const done = underWay[lane];
      if (done === undefined) throw new Error(`acknowledged, never announced: ${line}`);
      expected.fill(done.value, done.at, done.at + done.count);
      underWay[lane] = undefined;
      acknowledged += 1;
    }
    return { acknowledged, underWay };
  }

  async function readBack(bootId: string): Promise<Buffer> {
    const mapDevice = await volumes.open(map, { write: true });
    const state = await recoverOverlay({
      map: mapDevice,
      size: SIZE,
      bootId,
      quotaBytes: undefined,
      workers: 1,
    });
    const device = openOverlay({
      state,
      base: new ZeroDevice(SIZE),
      data: await volumes.open(data, { write: true }),
      map: mapDevice,
      worker: 0,
      onFull: () => {},
    });
    const content = Buffer.alloc(SIZE);
    await device.read(content, 0);
    await device.close();
    return content;
  }

  test('every acknowledged write is there', async () => {
    let total = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { text, signal } = await oneLife(round);
      expect(signal).toBe('SIGKILL');
      const { acknowledged, underWay } = replay(text);
      total += acknowledged;
      const content = await readBack(BOOT);
      for (let sector = 0; sector < expected.length; sector++) {
        const piece = content.subarray(sector * SECTOR, (sector + 1) * SECTOR);
        const value = piece[0] ?? 0;
        if (!piece.every((byte) => byte === value)) throw new Error(`sector ${sector} is torn`);
        if (value === expected[sector]) continue;
        const maybe = underWay.find((it) => it && sector >= it.at && sector < it.at + it.count);
        if (maybe?.value !== value) {
          throw new Error(
            `round ${round}: sector ${sector} holds ${value}, not ${expected[sector]}`,
          );
        }
        expected[sector] = value;
      }
    }
    console.log(`${total} acknowledged changes in ${ROUNDS} lives`);
    expect(total).toBeGreaterThan(ROUNDS);
  });
});
