/**
 * kill -9 of the service while several connections, spread over its workers, change interleaved sectors
 * of one machine's disk: they share blocks, bytes of the map and units that are zeroed and punched.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connectNbd, type NbdClient } from '../../src/nbd/client/index.ts';
import { writePatternImage } from '../support/pattern-image.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SECTOR = 512;
const SECTORS = 8192;
const CONNECTIONS = 4;
const ROUNDS = 3;
/** Sectors of a lane's turn: lane 0 has the first of each 4 × SPAN, and so on. No multiple of a block. */
const SPAN = 133;
const random = seededRandom();
const below = (limit: number): number => Math.floor(random() * limit);

/** What sectors hold, and what those of a change under way may hold as well. */
const values = new Int16Array(SECTORS);
const inFlight = new Map<number, number>();

/** Changes one range after the other until the connection dies. */
async function lane(client: NbdClient, number: number): Promise<void> {
  for (;;) {
    const turn = below(Math.floor(SECTORS / (CONNECTIONS * SPAN)));
    const first = (turn * CONNECTIONS + number) * SPAN;
    const at = first + below(SPAN);
    const count = 1 + below(first + SPAN - at);
    const value = random() < 0.35 ? 0 : 1 + below(250);
    for (let sector = at; sector < at + count; sector++) inFlight.set(sector, value);
    const fua = random() < 0.02;
    try {
      if (value === 0) await client.zero(at * SECTOR, count * SECTOR, { fua });
      else await client.write(Buffer.alloc(count * SECTOR, value), at * SECTOR, { fua });
    } catch {
      return;
    }
    for (let sector = at; sector < at + count; sector++) {
      values[sector] = value;
      inFlight.delete(sector);
    }
    if (random() < 0.01) await client.flush().catch(() => undefined);
  }
}

/** Every sector is whole, and holds what was acknowledged or what was under way. */
async function verify(client: NbdClient, round: number): Promise<void> {
  const content = Buffer.alloc(SECTORS * SECTOR);
  await client.read(content, 0);
  for (let sector = 0; sector < SECTORS; sector++) {
    const piece = content.subarray(sector * SECTOR, (sector + 1) * SECTOR);
    const value = piece[0] ?? -1;
    const torn = !piece.every((byte) => byte === value);
    if (torn || (value !== values[sector] && value !== inFlight.get(sector))) {
      throw new Error(
        `seed ${SEED} round ${round}: sector ${sector} holds ${value}, not ${values[sector]}`,
      );
    }
    values[sector] = value;
  }
  inFlight.clear();
}

test('nothing acknowledged on any connection is lost', async () => {
  const folder = await temporaryFolder('shared-disk');
  const image = join(folder.path, 'disk.raw');
  writePatternImage(image, SECTORS * SECTOR);
  const args = ['--workers', '3'];
  let service = await ServiceProcess.start({ arguments: args });
  await service.json('vdisk', 'import', image, '--name', 'v');
  const machine = ['machine', 'add', 'm', '--mac', '52:54:00:00:00:01', '--vdisk', 'v'];
  await service.json(...machine, '--cache', 'server-persistent');
  const start = await connectNbd(service.uri('machine/m'));
  await start.zero(0, SECTORS * SECTOR);
  await start.disconnect();
  for (let round = 0; round < ROUNDS; round++) {
    const clients = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => connectNbd(service.uri('machine/m'))),
    );
    const lanes = clients.map((client, number) => lane(client, number));
    await sleep(300 + below(900));
    await service.kill();
    await Promise.all(lanes);
    for (const client of clients) client.destroy();
    service = await ServiceProcess.start({ data: service.data, arguments: args });
    const reader = await connectNbd(service.uri('machine/m'));
    await verify(reader, round);
    await reader.disconnect();
  }
  expect(values.some((value) => value !== 0)).toBe(true);
  await service.remove();
  await folder.remove();
});
