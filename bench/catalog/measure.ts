import { buildApi } from '../../src/api/index.ts';
import {
  decideBoot,
  listMachines,
  listVdisks,
  machinesUp,
  requestBoot,
  showMachine,
  showStatus,
  showVdisk,
} from '../../src/control/index.ts';
import { type Spread, spread } from '../statistics.ts';
import type { Fleet } from './catalog-fleet.ts';

export interface Figure {
  readonly what: string;
  /** Milliseconds of one, from call to answer. */
  readonly wallMs: Spread;
  /** Milliseconds of CPU of one, all threads: the compiler's and the garbage collector's too. */
  readonly cpuMs: Spread;
  /** Bytes of the answer, over HTTP. */
  readonly bytes: number | undefined;
}

/** Rounds that are not counted: what the compiler does with a function is done by then. */
const WARM_UP = 30;
const TOKEN = 'bench';

export async function measure(fleet: Fleet, rounds: number): Promise<readonly Figure[]> {
  const { control, macs, bigVdisk } = fleet;
  const app = buildApi({ control, token: TOKEN });
  const get = async (url: string): Promise<number> => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const { statusCode, rawPayload } = await app.inject({ url, headers });
    if (statusCode !== 200) throw new Error(`${url}: ${statusCode}`);
    return rawPayload.length;
  };
  let turn = 0;
  const boot = async (): Promise<void> => {
    fleet.clock.time += 1000;
    const mac = macs[turn++ % macs.length] ?? '';
    decideBoot(control, { mac, arch: 'x64-uefi' });
    await requestBoot(control, mac);
  };
  const works: readonly (readonly [string, () => unknown])[] = [
    ['listMachines', () => listMachines(control)],
    ['showMachine', () => showMachine(control, 'machine-1')],
    ['showStatus', () => showStatus(control)],
    ['machinesUp', () => machinesUp(control)],
    ['listVdisks', () => listVdisks(control)],
    ['showVdisk', () => showVdisk(control, bigVdisk)],
    ['decideBoot + requestBoot', boot],
    ['GET /v1/machines', () => get('/v1/machines')],
    ['GET /v1/machines/NAME', () => get('/v1/machines/machine-1')],
    ['GET /v1/vdisks', () => get('/v1/vdisks')],
    ['GET /v1/vdisks/NAME', () => get(`/v1/vdisks/${bigVdisk}`)],
    ['GET /v1/status', () => get('/v1/status')],
  ];
  const figures: Figure[] = [];
  for (const [what, work] of works) figures.push(await one(what, work, rounds));
  await app.close();
  return figures;
}

async function one(what: string, work: () => unknown, rounds: number): Promise<Figure> {
  const walls: number[] = [];
  const cpus: number[] = [];
  let bytes: number | undefined;
  for (let round = -WARM_UP; round < rounds; round++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    const answer = await work();
    const wall = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    if (typeof answer === 'number') bytes = answer;
    if (round < 0) continue;
    walls.push(wall);
    cpus.push((user + system) / 1000);
  }
  return { what, wallMs: spread(walls), cpuMs: spread(cpus), bytes };
}
