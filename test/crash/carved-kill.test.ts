/**
 * kill -9 of a process whose threads change volumes of one carved device: every acknowledged change is there, no volume
 * shows what another one held, and the metadata is whole.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SanAdapter } from '../../src/adapters/san/index.ts';
import { type CarvedControl, fsckCarved, type VolumeData } from '../../src/repositories/index.ts';
import { attachForTest, fileDevice, KIB, MIB, SILENT, workerOf } from '../support/carved.ts';
import { describeWith, program, root } from '../support/requires.ts';
import { run, succeed } from '../support/run-program.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SECTOR = 512;
const SECTORS = (3 * MIB) / SECTOR;
const LANES = 4;
const ROUNDS = 4;

class Lane {
  readonly values = new Uint8Array(SECTORS);
  inFlight: { at: number; count: number; value: number } | undefined;
  changes = 0;

  acknowledge(): void {
    if (this.inFlight === undefined) return;
    const { at, count, value } = this.inFlight;
    this.values.fill(value, at, at + count);
    this.inFlight = undefined;
    this.changes += 1;
  }
}

/** Runs the process for a while, then kills it. */
async function live(
  path: string,
  kind: string,
  first: boolean,
  lanes: Lane[],
  ms: number,
): Promise<void> {
  const script = fileURLToPath(new URL('./carved-writer-process.ts', import.meta.url));
  const seed = String(SEED + ms);
  const child = spawn(process.execPath, [script, path, kind, first ? 'create' : 'go on', seed], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const bad: string[] = [];
  const started = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const [mark, number, at, count, value] = line.split(' ');
        const lane = lanes[Number(number)];
        if (mark === '?' && lane !== undefined) {
          lane.inFlight = { at: Number(at), count: Number(count), value: Number(value) };
        } else if (mark === '!') lane?.acknowledge();
        else bad.push(line);
      }
      if (lanes.every((lane) => lane.changes > 0)) resolve();
    });
  });
  const ended = once(child, 'close');
  await Promise.race([started, ended]);
  await sleep(ms);
  child.kill('SIGKILL');
  const [, signal] = await ended;
  expect(signal).toBe('SIGKILL'); // it did not die by itself
  expect(bad).toEqual([]);
}

async function verify(control: CarvedControl, data: VolumeData, lanes: Lane[]): Promise<void> {
  for (const [number, lane] of lanes.entries()) {
    const volume = await control.findVolume({ tag: `lane-${number}` });
    if (volume === undefined) throw new Error(`volume of lane ${number} is gone`);
    const device = await data.open(volume.locator, { write: true });
    const content = Buffer.alloc(SECTORS * SECTOR);
    await device.read(content, 0);
    await device.close();
    for (let sector = 0; sector < SECTORS; sector++) {
      const piece = content.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      const value = piece[0] ?? -1;
      const { at, count, value: coming } = lane.inFlight ?? { at: 0, count: 0, value: 0 };
      const mayBe = sector >= at && sector < at + count && value === coming;
      if (!piece.every((byte) => byte === value) || (value !== lane.values[sector] && !mayBe)) {
        const said = `seed ${SEED} lane ${number}: sector ${sector} holds ${value}`;
        throw new Error(`${said}, not ${lane.values[sector]}`);
      }
      lane.values[sector] = value;
    }
    lane.inFlight = undefined;
  }
}

const random = seededRandom();

test('kill -9 with a carved file', async () => {
  const folder = await temporaryFolder('carved-kill');
  const path = join(folder.path, 'lun');
  await writeFile(path, '');
  await truncate(path, 24 * MIB);
  const lanes = Array.from({ length: LANES }, () => new Lane());
  for (let round = 0; round < ROUNDS; round++) {
    await live(path, 'file', round === 0, lanes, 200 + Math.floor(random() * 900));
    const device = fileDevice(path, false);
    const report = await fsckCarved(device);
    expect(report.findings.filter(({ severity }) => severity === 'fatal')).toEqual([]);
    await device.close();
    const control = await attachForTest({ device: fileDevice(path, false), repositoryId: 'crash' });
    await verify(
      control,
      workerOf(control, () => fileDevice(path, false)),
      lanes,
    );
    await control.close();
  }
  expect(lanes.reduce((sum, lane) => sum + lane.changes, 0)).toBeGreaterThan(100);
  await folder.remove();
});

describeWith([root(), program('losetup', 'mount')], 'on a loop device', () => {
  test('kill -9 with a carved disk', async () => {
    const folder = await temporaryFolder('carved-kill');
    const file = join(folder.path, 'lun');
    await writeFile(file, '');
    await truncate(file, 24 * MIB);
    const path = (await succeed('losetup', ['--find', '--show', file])).stdout.trim();
    try {
      const lanes = Array.from({ length: LANES }, () => new Lane());
      const adapter = new SanAdapter();
      const parts = { log: SILENT, clock: () => performance.now() };
      const connection = {
        repositoryId: 'crash',
        settings: { device: path, extentSize: 64 * KIB },
        secrets: {},
        initiatorName: 'iqn.2026-01.dev.rootcast:one',
      };
      for (let round = 0; round < ROUNDS / 2; round++) {
        await live(path, 'loop', round === 0, lanes, 300 + Math.floor(random() * 900));
        const { signal } = new AbortController();
        const control = await adapter.attachCarved(connection, parts, { signal });
        const data = adapter.openData(connection, parts, (question) => control.answer(question));
        await verify(control, data, lanes);
        await control.close();
      }
    } finally {
      await run('losetup', ['--detach', path]);
      await folder.remove();
    }
  });
});
