/** Servers and the service die under load: no acknowledged write is lost, and nobody who waits is told of an error. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connectNbd, nbdDevice } from '../../../src/nbd/index.ts';
import { startVerifiedWrites } from '../../support/verified-writes.ts';
import { type Bench, MIB } from './bench.ts';
import { contentAt, NumberedWriter } from './numbered-writer.ts';
import type { Kind } from './places.ts';
import { consoleOf, soon } from './volumes.ts';

const SIZE = 8 * MIB;
const RUN = 60;

interface Repository {
  readonly name: string;
  readonly state: string;
}

/** What can be restarted under a volume; each leaves its server as it was. */
function outages(bench: () => Bench): readonly (readonly [string, Kind, () => Promise<void>])[] {
  return [
    [
      'tgtd',
      'iscsi',
      async () => {
        await bench().places.servers.tgtd.kill();
        await bench().places.bootTgtd();
      },
    ],
    ['nfs-ganesha', 'nfs', () => bench().places.servers.ganesha.restart()],
    [
      'the Ceph OSD',
      'ceph',
      async () => {
        await bench().places.servers.ceph.stopOsd();
        await bench().places.servers.ceph.startOsd();
      },
    ],
  ];
}

export function faultTests(bench: () => Bench): void {
  const { json } = consoleOf(bench);

  describe('servers that die under load', () => {
    for (const [server, kind, outage] of outages(bench)) {
      test(`${server} is killed and comes back: everything goes on`, async () => {
        const volume = `${kind}/outage`;
        await json('volume', 'create', volume, '--size', String(SIZE));
        const device = nbdDevice(await connectNbd(bench().uri(`volume/${volume}`)));
        const content = Buffer.alloc(SIZE);
        const writes = startVerifiedWrites(device, content);
        try {
          await soon('it runs', () => writes.done >= RUN);
          await outage();
          const before = writes.done;
          await soon('it goes on', () => writes.done >= before + RUN);
        } finally {
          await writes.finish();
          await device.flush();
          await device.close();
        }
        const stored = await contentAt(bench().uri(`volume/${volume}`));
        expect(stored.equals(content)).toBe(true);
      });
    }
  });

  describe('the service', () => {
    test('is killed under load, and every acknowledged write is there', async () => {
      // The simulated array is memory of the service.
      const kinds: readonly Kind[] = ['ext4', 'btrfs', 'nfs', 'iscsi', 'tgt', 'ceph'];
      const writers = new Map(kinds.map((kind) => [kind, new NumberedWriter(SIZE)]));
      for (const [kind, writer] of writers) {
        await json('volume', 'create', `${kind}/killed`, '--size', String(SIZE));
        await json('snapshot', 'create', `${kind}/killed`, '--name', 'before');
        await writer.start(bench().uri(`volume/${kind}/killed`));
      }
      const all = [...writers.values()];
      await soon('all write', () => all.every(({ acknowledged }) => acknowledged >= RUN));
      await bench().kill();
      for (const writer of all) await writer.stop();
      await bench().restart();
      await soon('all are attached', async () => {
        const repositories = await json<readonly Repository[]>('repository', 'list');
        return kinds.every((kind) =>
          repositories.some(({ name, state }) => name === kind && state === 'attached'),
        );
      });
      for (const [kind, writer] of writers) {
        const stored = await contentAt(bench().uri(`volume/${kind}/killed`));
        const count = NumberedWriter.count(stored);
        expect(count, kind).toBeGreaterThanOrEqual(writer.acknowledged);
        // One was on its way.
        expect(count, kind).toBeLessThanOrEqual(writer.acknowledged + 1);
        const before = await contentAt(bench().uri(`volume/${kind}/killed@before`));
        expect(NumberedWriter.count(before), kind).toBe(0);
      }
    });
  });

  describe('a repository that is full', () => {
    test.each(['small-nfs', 'small-ext4', 'small-iscsi'] as const)(
      '%s says so, and goes on when there is room',
      async (kind) => {
        await json('repository', 'create', kind, ...bench().places.of(kind).target);
        const filler = await fill(kind);
        await json('volume', 'create', `${kind}/big`, '--size', String(48 * MIB));
        const client = await connectNbd(bench().uri(`volume/${kind}/big`));
        const block = Buffer.alloc(MIB, 'full');
        let written = 0;
        const refusal = await (async () => {
          for (; written < 48; written += 1) await client.write(block, written * MIB);
          await client.flush();
          return undefined;
        })().catch((error: unknown) => error);
        expect(refusal).toMatchObject({ errno: 'ENOSPC' });
        await filler.remove();
        await client.write(block, written * MIB);
        await client.flush();
        await client.disconnect();
        const stored = await contentAt(bench().uri(`volume/${kind}/big`));
        for (let at = 0; at <= written; at += 1) {
          expect(stored.subarray(at * MIB, (at + 1) * MIB).equals(block), `MiB ${at}`).toBe(true);
        }
      },
    );
  });

  /** Takes room away that `remove` gives back. */
  async function fill(
    kind: 'small-nfs' | 'small-ext4' | 'small-iscsi',
  ): Promise<{ remove(): Promise<void> }> {
    if (kind === 'small-iscsi') {
      await json('volume', 'create', `${kind}/filler`, '--size', String(32 * MIB), '--thick');
      return { remove: () => json('volume', 'delete', `${kind}/filler`).then(() => undefined) };
    }
    const { path } = bench().places.of(kind);
    const file = join(path ?? '', 'filler');
    await writeFile(file, Buffer.alloc(10 * MIB, 'f'));
    return { remove: () => rm(file) };
  }
}
