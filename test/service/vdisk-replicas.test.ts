/**
 * A vDisk whose layers lie in one folder, and its replica in another, on the real service: what is served while either
 * is away is what was imported and written; what a kill leaves in the middle of copying goes, and is copied anew.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNbd } from '../../src/nbd/index.ts';
import { randomContent } from '../support/content.ts';
import { ServiceProcess } from '../support/service-process.ts';

const MIB = 2 ** 20;
const POLL_MS = 50;
/** Of the image: data, a hole, data. */
const PART = 16 * MIB;
const SIZE = 3 * PART;

interface Replica {
  readonly repository: string;
  readonly state: string;
  readonly layers: number;
  readonly layersMissing: number;
  readonly serves: boolean;
}

describe('a vDisk with a replica', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-vdisk-replicas-'));
  const data = join(folder, 'data');
  const content = Buffer.alloc(SIZE);
  let service: ServiceProcess;

  beforeAll(async () => {
    randomContent(PART).copy(content, 0);
    randomContent(PART).copy(content, 2 * PART);
    writeFileSync(join(folder, 'disk.raw'), content);
    service = await ServiceProcess.start({ data });
    for (const name of ['home', 'away']) {
      mkdirSync(join(folder, name));
      const settings = ['--kind', 'local', '--set', `path=${join(folder, name)}`];
      await service.json('repository', 'create', name, ...settings);
    }
    const image = [join(folder, 'disk.raw'), '--name', 'debian', '--repository', 'home'];
    await service.json('vdisk', 'import', ...image);
    for (const at of [1, 2]) {
      const mac = `52:54:00:00:00:0${at}`;
      await service.json('machine', 'add', `pc-${at}`, '--mac', mac, '--vdisk', 'debian');
    }
  }, 60_000);
  afterAll(async () => {
    await service?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Ids in the names of a folder's volumes. */
  const volumesIn = (name: string): string[] => {
    const files = readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' });
    return [...new Set(files.flatMap((file) => /layer-([0-9a-f-]{36})/.exec(file)?.[1] ?? []))];
  };

  const replica = async (): Promise<Replica | undefined> =>
    (await api<{ items: Replica[] }>('/vdisks/debian/replicas')).items[0];

  async function untilReplica(isSo: (now: Replica | undefined) => boolean): Promise<Replica> {
    for (;;) {
      const now = await replica();
      if (now !== undefined && isSo(now)) return now;
      await sleep(POLL_MS);
    }
  }

  async function untilEvent(kind: string, count: number): Promise<void> {
    for (;;) {
      const { items } = await api<{ items: { kind: string }[] }>('/events?limit=500');
      if (items.filter((event) => event.kind === kind).length === count) return;
      await sleep(POLL_MS);
    }
  }

  async function api<T>(path: string, method = 'GET', body?: object): Promise<T> {
    const headers = {
      authorization: `Bearer ${service.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    return (await (await fetch(`${service.http}/v1${path}`, init)).json()) as T;
  }

  async function read(name: string): Promise<Buffer> {
    const client = await connectNbd(service.uri(name));
    const found = Buffer.alloc(SIZE);
    for (let at = 0; at < SIZE; at += MIB) await client.read(found.subarray(at, at + MIB), at);
    await client.disconnect();
    return found;
  }

  it('is copied anew after a kill in the middle, and leaves nothing half made', {
    timeout: 120_000,
  }, async () => {
    const task = await api<{ id: string }>('/vdisks/debian/replicas', 'POST', {
      repository: 'away',
    });
    for (let percent = 0; percent <= 0; ) {
      ({ percent } = await api<{ percent: number }>(`/tasks/${task.id}`));
    }
    expect(volumesIn('away')).toHaveLength(1);
    expect(await replica()).toMatchObject({ state: 'copying', layersMissing: 1 });
    await service.kill();
    const halfMade = volumesIn('away');
    service = await ServiceProcess.start({ data });
    // Nobody asks again.
    await untilReplica(({ state } = NONE) => state === 'complete');
    expect(volumesIn('away')).toHaveLength(1);
    expect(volumesIn('away')).not.toEqual(halfMade);
  });

  it('is served from it while its own repository is away, and writes stay', {
    timeout: 120_000,
  }, async () => {
    await service.json('repository', 'detach', 'home');
    expect(await service.json('vdisk', 'replicas', 'debian')).toMatchObject([{ serves: true }]);
    await untilEvent('vdisk.served-from-replica', 1);
    expect((await read('machine/pc-1')).equals(content)).toBe(true);
    const client = await connectNbd(service.uri('machine/pc-2'));
    const written = randomContent(MIB);
    await client.write(Buffer.from(written), PART - 4096);
    await client.flush();
    const back = Buffer.alloc(2 * MIB);
    await client.read(back, PART - MIB);
    const expected = Buffer.from(content.subarray(PART - MIB, PART + MIB));
    written.copy(expected, MIB - 4096);
    expect(back.equals(expected)).toBe(true);
    // What reads from it keeps it.
    const refused = await service.cli('vdisk', 'unreplicate', 'debian', '--from', 'away');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('IN_USE') });
    await client.disconnect();
    await service.json('repository', 'attach', 'home');
    await untilEvent('vdisk.served-from-home', 1);
    await service.json('repository', 'detach', 'away');
    expect((await read('vdisk/debian')).equals(content)).toBe(true);
    await service.json('repository', 'attach', 'away');
  });

  it('gets what is sealed later by itself', { timeout: 120_000 }, async () => {
    await service.json('machine', 'capture', 'pc-2');
    const { layers } = await untilReplica((now) => now?.state === 'complete' && now.layers === 2);
    expect(layers).toBe(2);
    expect(volumesIn('away')).toHaveLength(2);
    const again = await service.cli('vdisk', 'replicate', 'debian', '--to', 'away');
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('0 layers copied') });
    const { stdout } = await service.cli('vdisk', 'replicas', 'debian');
    expect(stdout).toMatch(/^away +complete +2 +0 /m);
  });

  it('keeps its repository, and leaves nothing when it goes', { timeout: 60_000 }, async () => {
    for (const [name, ...args] of [
      ['away', 'delete', 'away'],
      ['home', 'delete', 'home'],
    ] as const) {
      const refused = await service.cli('repository', ...args);
      expect(refused, name).toMatchObject({ code: 1, stderr: expect.stringContaining('debian') });
    }
    await service.json('vdisk', 'unreplicate', 'debian', '--from', 'away');
    expect(await replica()).toBeUndefined();
    expect(volumesIn('away')).toEqual([]);
    await service.json('repository', 'delete', 'away');
    expect((await read('vdisk/debian/1')).equals(content)).toBe(true);
  });
});

const NONE: Replica = { repository: '', state: '', layers: 0, layersMissing: 0, serves: false };
