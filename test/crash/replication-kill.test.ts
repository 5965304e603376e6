/**
 * The whole service is killed again and again while it replicates between two folders. After each start the run goes
 * on by itself; every complete point is what the source was at its moment, read through its export.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNbd } from '../../src/nbd/index.ts';
import { seededRandom } from '../support/seed.ts';
import { ServiceProcess } from '../support/service-process.ts';

const MIB = 2 ** 20;
const SIZE = 48 * MIB;
const KILLS = 4;
const START_POLL_MS = 50;

interface Point {
  readonly number: number;
  readonly state: string;
  readonly onTarget: boolean;
  readonly volumes: readonly {
    readonly snapshot: string | null;
    readonly position: number | null;
  }[];
}

interface View {
  readonly state: string;
  readonly running: boolean;
  readonly reason: string | null;
  readonly points: readonly Point[];
}

const positionOf = (point: Point | undefined): number => point?.volumes[0]?.position ?? 0;

describe('a service that is killed while it replicates', () => {
  const random = seededRandom();
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-replication-'));
  const data = join(folder, 'data');
  let service: ServiceProcess;

  beforeAll(async () => {
    service = await ServiceProcess.start({ data });
  });
  afterAll(async () => {
    await service?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${service.http}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${service.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Starts a task and waits for it. */
  async function done(path: string, body?: object): Promise<unknown> {
    let task = await call<{ id: string; state: string; error: unknown; result: unknown }>(
      'POST',
      path,
      body,
    );
    while (task.state === 'running') {
      await sleep(START_POLL_MS);
      task = await call('GET', `/tasks/${task.id}`);
    }
    if (task.state !== 'succeeded') throw new Error(`${path}: ${JSON.stringify(task.error)}`);
    return task.result;
  }

  const view = (): Promise<View> => call('GET', '/replications/dr');

  async function until(what: string, isSo: (now: View) => boolean): Promise<View> {
    for (;;) {
      const now = await view();
      if (isSo(now)) return now;
      if (now.state === 'error') throw new Error(`${what}: ${now.reason}`);
      await sleep(START_POLL_MS);
    }
  }

  async function read(name: string, length = SIZE): Promise<Buffer> {
    const client = await connectNbd(service.uri(name));
    const content = Buffer.alloc(length);
    for (let at = 0; at < length; at += MIB) {
      await client.read(content.subarray(at, at + MIB), at);
    }
    await client.disconnect();
    return content;
  }

  const source = Buffer.alloc(SIZE);

  /** Random writes, in the volume and in the buffer that knows what it must be. */
  async function write(count: number): Promise<void> {
    const client = await connectNbd(service.uri('volume/here/db'));
    for (let index = 0; index < count; index++) {
      const length = 4096 * (1 + Math.floor(random() * 100));
      const offset = 4096 * Math.floor((random() * (SIZE - length)) / 4096);
      const piece = source.subarray(offset, offset + length);
      if (random() < 0.2) piece.fill(0);
      else for (let at = 0; at < length; at += 7) piece[at] = Math.floor(random() * 256);
      await client.write(Buffer.from(piece), offset);
    }
    await client.flush();
    await client.disconnect();
  }

  it('has every point as the source was, and goes on where it was', {
    timeout: 120_000,
  }, async () => {
    for (const name of ['here', 'there']) {
      const settings = { path: join(folder, name) };
      mkdirSync(settings.path);
      await done('/repositories', { name, kind: 'local', settings });
    }
    await done('/repositories/here/volumes', { name: 'db', size: SIZE });
    await write(150);
    const throttle = 10 * MIB;
    await call('POST', '/replications', {
      ...{ name: 'dr', volumes: ['here/db'], target: 'there', throttle, keepTarget: 20 },
    });
    /** What each complete point must hold, by its number. */
    const expected = new Map<number, Buffer>();
    let resumedAt = 0;
    let killed = 0;
    for (let number = 1; killed < KILLS; number++) {
      const moment = Buffer.from(source);
      if (number > 1) await call('POST', '/replications/dr/run');
      await until('a point is taken', ({ points }) => points[0]?.number === number);
      await write(20); // what comes after the point is no part of it
      for (;;) {
        // Once behind a cursor for certain, then at any time.
        if (killed === 0) await until('a cursor', ({ points }) => positionOf(points[0]) > 0);
        else await sleep(random() * 1200);
        const [before] = (await view()).points;
        if (before?.number === number && before.state === 'complete') break;
        await service.kill();
        killed += 1;
        service = await ServiceProcess.start({ data });
        const [after] = (await view()).points;
        expect(after?.number).toBe(number);
        resumedAt = Math.max(resumedAt, positionOf(after));
        if (killed >= KILLS) break;
      }
      expected.set(number, moment);
      await until('the point is complete', ({ points }) => points[0]?.state === 'complete');
    }
    const { points } = await view();
    expect(points.map((point) => point.number)).toEqual([...expected.keys()].reverse());
    for (const { number, volumes, onTarget } of points) {
      expect(onTarget).toBe(true);
      const found = await read(`volume/there/db@${volumes[0]?.snapshot}`);
      expect([number, found.equals(expected.get(number) ?? source)]).toEqual([number, true]);
    }
    const proof = await done('/replications/dr/verify', { source: true });
    expect(proof).toMatchObject({ volumes: [{ same: true }, { same: true }] });
    // The head is nobody's.
    await expect(connectNbd(service.uri('volume/there/db'))).rejects.toThrow();
    await failOverAndBack();
    expect(killed).toBe(KILLS);
    expect(resumedAt).toBeGreaterThan(0);
  });

  async function failOverAndBack(): Promise<void> {
    await write(30);
    await done('/replications/dr/failover', {});
    expect((await read('volume/there/db')).equals(source)).toBe(true);
    await expect(connectNbd(service.uri('volume/here/db'))).rejects.toThrow();
    await done('/replications/dr/reverse');
    const [last] = (await view()).points;
    expect(last?.state).toBe('complete');
  }
});
