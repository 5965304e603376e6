/** What a user does with a volume, the same on every kind of storage. */
import { describe, expect, test } from 'vitest';
import { connectNbd } from '../../../src/nbd/index.ts';
import { until } from '../../support/until.ts';
import { type Bench, MIB } from './bench.ts';
import { contentAt, NumberedWriter } from './numbered-writer.ts';
import { KINDS, type Kind } from './places.ts';

const SIZE = 16 * MIB;
const ENOUGH = 150;
const NUMBERED = 4 * MIB;

interface Sized {
  readonly volume: { readonly size: number; readonly export: string };
  readonly requestedSize: number;
}

interface Shown {
  readonly capabilities: Readonly<Record<string, string>>;
}

interface Taken {
  readonly snapshots: readonly { readonly id: string; readonly emulated: boolean }[];
}

interface Difference {
  readonly size: number;
  readonly ranges: readonly { readonly offset: number; readonly length: number }[];
}

const SOON_MS = 20_000;

/** Not for ever: what hangs is reported by its name. */
export function soon(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  return until(what, holds, SOON_MS);
}

export function volumeTests(bench: () => Bench): void {
  describe.each(KINDS)('a repository on %s', (kind) => {
    lifeOfVolumes(kind, bench);
  });
}

function lifeOfVolumes(kind: Kind, bench: () => Bench): void {
  const { json, refused } = consoleOf(bench);
  const db = `${kind}/db`;
  const content = Buffer.alloc(SIZE);
  let atMonday: Buffer = Buffer.alloc(0);

  test('is found, attached, and says what it can do', async () => {
    const { target } = bench().places.of(kind);
    const probe = await json<{ step: string; capabilities: Shown['capabilities'] | null }>(
      ...['repository', 'probe', ...target],
    );
    expect(probe.step).toBe('ready');
    const created = await json<{ state: string }>('repository', 'create', kind, ...target);
    expect(created.state).toBe('attached');
    const shown = await json<Shown>('repository', 'show', kind);
    expect(shown.capabilities['snapshot']).toMatch(/^(yes|emulated)$/);
    // What was promised before anything was changed; of a folder only trying tells.
    expect(probe.capabilities ?? shown.capabilities).toEqual(shown.capabilities);
    expect(probe.capabilities === null).toBe(kind === 'ext4' || kind === 'btrfs');
    const health = await json<{ state: string }>('repository', 'health', kind);
    expect(health.state).toMatch(/^(good|degraded|unknown)$/);
  });

  test('cuts a host off and lets it in again, where the storage can; and never this server', async () => {
    const { capabilities } = await json<Shown>('repository', 'show', kind);
    const [host, self] = [`far-${kind}`, `self-${kind}`];
    const [iqn, address] = ['iqn.2026-01.com.example:far', '192.0.2.77'];
    const from = ['--repository', kind];
    const fences = () => json<{ who: string; hosts: string[] }[]>('host', 'fences', ...from);
    await json('host', 'add', host, '--iqn', iqn, '--address', address);
    await json('host', 'add', self, '--iqn', `${iqn}.self`, '--address', '127.0.0.1');
    if (capabilities['fence'] === 'no') {
      expect(await refused('host', 'fence', host, ...from)).toContain('UNSUPPORTED');
    } else {
      await json('host', 'fence', host, ...from);
      const who = capabilities['maskIqn'] === 'no' ? address : iqn;
      expect(await fences()).toEqual([{ who, hosts: [host] }]);
      await json('host', 'unfence', host, ...from);
      expect(await refused('host', 'fence', self, ...from)).toContain('is this server');
      expect(await fences()).toEqual([]);
    }
    for (const name of [host, self]) await json('host', 'delete', name);
  });

  test('holds what is written over NBD, and rounds an odd size up', async () => {
    const made = await json<Sized>('volume', 'create', db, '--size', String(SIZE - 1000));
    expect(made.requestedSize).toBe(SIZE - 1000);
    expect(made.volume.size).toBeGreaterThanOrEqual(SIZE - 1000);
    const { size } = await exported(db);
    expect(size).toBe(made.volume.size);
    await untilIdle(db);
    if (size < SIZE) await json('volume', 'resize', db, String(SIZE));
    await bench().writeVerified(`volume/${db}`, content, async (done) => {
      await soon('enough is written', () => done() >= ENOUGH);
    });
    const stored = await contentAt(bench().uri(`volume/${db}`));
    expect(stored.subarray(0, SIZE).equals(content)).toBe(true);
  });

  test('has snapshots of one moment while somebody writes', async () => {
    await json('volume', 'create', `${kind}/log`, '--size', String(NUMBERED));
    const writer = new NumberedWriter(NUMBERED);
    await writer.start(bench().uri(`volume/${kind}/log`));
    const counts: number[] = [];
    try {
      for (const name of ['one', 'two']) {
        const before = writer.acknowledged;
        await soon('it goes on', () => writer.acknowledged > before + 20 || writer.failed);
        const least = writer.acknowledged;
        await json('snapshot', 'create', `${kind}/log`, '--name', name);
        const most = writer.acknowledged + 1;
        const held = await contentAt(bench().uri(`volume/${kind}/log@${name}`));
        const count = NumberedWriter.count(held);
        expect(count).toBeGreaterThanOrEqual(least);
        expect(count).toBeLessThanOrEqual(most);
        counts.push(count);
      }
    } finally {
      await writer.stop();
    }
    expect(writer.failure).toBeUndefined();
    const now = NumberedWriter.count(await contentAt(bench().uri(`volume/${kind}/log`)));
    expect(now).toBe(writer.acknowledged);
    expect(counts[0]).toBeLessThan(counts[1] ?? 0);
  });

  test('serves a snapshot, a linked and a full clone, each its own', async () => {
    const taken = await json<Taken>('snapshot', 'create', db, '--name', 'monday');
    expect(taken.snapshots.map(({ emulated }) => emulated)).toEqual([
      bench().places.of(kind).emulated,
    ]);
    atMonday = Buffer.from(content);
    await json('volume', 'clone', `${db}@monday`, 'linked');
    await json('volume', 'clone', `${db}@monday`, 'full', '--full');
    const device = await connectNbd(bench().uri(`volume/${kind}/linked`));
    await device.write(Buffer.alloc(65_536, 'c'), 2 * MIB);
    await device.flush();
    await device.disconnect();
    const cloned = Buffer.from(atMonday).fill('c', 2 * MIB, 2 * MIB + 65_536);
    await bench().writeVerified(`volume/${db}`, content, async (done) => {
      await soon('enough is written', () => done() >= 40);
    });
    for (const [name, expected] of [
      ['db', content],
      ['db@monday', atMonday],
      ['full', atMonday],
      ['linked', cloned],
    ] as const) {
      const stored = await contentAt(bench().uri(`volume/${kind}/${name}`));
      expect(stored.subarray(0, SIZE).equals(expected), name).toBe(true);
    }
    const client = await connectNbd(bench().uri(`volume/${db}@monday`));
    await expect(Promise.resolve(client.write(Buffer.alloc(4096), 0))).rejects.toThrow();
    await client.disconnect();
  });

  test('says what changed between two snapshots, and nothing is missing', async () => {
    const changed = new Map<number, number>();
    const client = await connectNbd(bench().uri(`volume/${db}`));
    await json('snapshot', 'create', db, '--name', 'tuesday');
    for (const at of [0, 5 * MIB + 4096, 9 * MIB, SIZE - 4096]) {
      const piece = Buffer.alloc(4096, `changed at ${at}`);
      await client.write(piece, at);
      piece.copy(content, at);
      changed.set(at, 4096);
    }
    await client.zero(7 * MIB, 65_536);
    content.fill(0, 7 * MIB, 7 * MIB + 65_536);
    changed.set(7 * MIB, 65_536);
    await client.flush();
    await client.disconnect();
    await json('snapshot', 'create', db, '--name', 'wednesday');
    const from = ['--from', 'db@tuesday'];
    const { ranges } = await json<Difference>('snapshot', 'diff', `${db}@wednesday`, ...from);
    const tuesday = await contentAt(bench().uri(`volume/${db}@tuesday`));
    const named = (at: number): boolean =>
      ranges.some(({ offset, length }) => offset <= at && at + 4096 <= offset + length);
    for (const [at, length] of changed) {
      for (let block = at; block < at + length; block += 4096) {
        const same = tuesday
          .subarray(block, block + 4096)
          .equals(content.subarray(block, block + 4096));
        expect(same || named(block), `block at ${block}`).toBe(true);
      }
    }
    const told = ranges.reduce((sum, { length }) => sum + length, 0);
    const { capabilities } = await json<Shown>('repository', 'show', kind);
    if (capabilities['changedBlocks'] !== 'no') expect(told).toBeLessThan(SIZE);
  });

  test('grows twice while it is attached, and never shrinks', async () => {
    const attached = await connectNbd(bench().uri(`volume/${db}`));
    for (const [size, fill] of [
      [24 * MIB, 'x'],
      [40 * MIB, 'y'],
    ] as const) {
      const { volume } = await json<Sized>('volume', 'resize', db, String(size));
      expect(volume.size).toBe(size);
      await attached.write(Buffer.alloc(4096, fill), 4096);
      Buffer.alloc(4096, fill).copy(content, 4096);
      const again = await connectNbd(bench().uri(`volume/${db}`));
      expect(again.negotiated.size).toBe(size);
      const end = Buffer.alloc(4096, 0xee);
      await again.read(end, size - 4096);
      expect(end.equals(Buffer.alloc(4096))).toBe(true);
      await again.write(Buffer.alloc(4096, fill), size - 8192);
      await again.read(end, size - 8192);
      expect(end.equals(Buffer.alloc(4096, fill))).toBe(true);
      await again.flush();
      await again.disconnect();
    }
    await attached.flush();
    await attached.disconnect();
    await untilIdle(db);
    expect(await refused('volume', 'resize', db, String(SIZE))).toMatch(/shrink|smaller|less/i);
    const stored = await contentAt(bench().uri(`volume/${db}`));
    expect(stored.length).toBe(40 * MIB);
    expect(stored.subarray(0, SIZE).equals(content)).toBe(true);
  });

  test('reverts to a snapshot', async () => {
    await untilIdle(db);
    await json('volume', 'revert', db, 'monday');
    const stored = await contentAt(bench().uri(`volume/${db}`));
    expect(stored.subarray(0, SIZE).equals(atMonday)).toBe(true);
    atMonday.copy(content);
  });

  test('is the same after it was detached and attached', async () => {
    for (const name of ['db', 'log', 'linked', 'full']) await untilIdle(`${kind}/${name}`);
    await json('repository', 'detach', kind);
    await expect(connectNbd(bench().uri(`volume/${db}`))).rejects.toThrow();
    await json('repository', 'attach', kind);
    const stored = await contentAt(bench().uri(`volume/${db}`));
    expect(stored.subarray(0, SIZE).equals(content)).toBe(true);
    const monday = await contentAt(bench().uri(`volume/${db}@monday`));
    expect(monday.subarray(0, SIZE).equals(atMonday)).toBe(true);
  });

  test('deletes a snapshot before its volume, and a volume before its snapshot', async () => {
    const log = `${kind}/log`;
    await untilIdle(log);
    const two = await contentAt(bench().uri(`volume/${log}@two`));
    await json('snapshot', 'delete', `${log}@one`);
    const stored = await contentAt(bench().uri(`volume/${log}@two`));
    expect(stored.equals(two)).toBe(true);
    await untilIdle(log);
    const left = await json<{ id: string; name: string }[]>('snapshot', 'list', log);
    if (!bench().places.of(kind).snapshotsOutlive) {
      expect(await refused('volume', 'delete', log)).toMatch(/IN_USE.*1 snapshots/);
      await json('snapshot', 'delete', `${log}@two`);
      await json('volume', 'delete', log);
      for (const name of ['full', 'linked']) await discard(name);
      return;
    }
    await json('volume', 'delete', log);
    const [orphan] = await json<{ id: string; export: string | null }[]>(
      ...['snapshot', 'list', kind, '--orphaned'],
    );
    expect(orphan?.id).toBe(left[0]?.id);
    if (orphan?.export) {
      expect((await contentAt(bench().uri(orphan.export))).equals(two)).toBe(true);
    }
    await json('snapshot', 'clone', `${kind}/${orphan?.id}`, 'rescued', '--full');
    expect((await contentAt(bench().uri(`volume/${kind}/rescued`))).equals(two)).toBe(true);
    await json('snapshot', 'delete', `${kind}/${orphan?.id}`);
    expect((await contentAt(bench().uri(`volume/${kind}/rescued`))).equals(two)).toBe(true);
    for (const name of ['rescued', 'full', 'linked']) await discard(name);
  });

  async function discard(name: string): Promise<void> {
    await untilIdle(`${kind}/${name}`);
    await json('volume', 'delete', `${kind}/${name}`);
  }

  async function exported(volume: string): Promise<{ size: number }> {
    const client = await connectNbd(bench().uri(`volume/${volume}`));
    const { size } = client.negotiated;
    await client.disconnect();
    return { size };
  }

  /** The service hears of a client that left a moment later than the client. */
  function untilIdle(volume: string): Promise<void> {
    return soon(`nobody has ${volume} open`, async () => {
      const { connections } = await json<{ connections?: number | null }>('volume', 'show', volume);
      return (connections ?? 0) === 0;
    });
  }
}

export function consoleOf(bench: () => Bench) {
  return {
    json: <T = unknown>(...args: string[]): Promise<T> => bench().console.json<T>(...args),
    refused: (...args: string[]): Promise<string> => bench().console.refused(...args),
  };
}
