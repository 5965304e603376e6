/** Our client with other people's servers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FUA, PLAIN, PLAIN_ZERO } from '../../../src/block/index.ts';
import { connectNbd, listNbd, nbdDevice } from '../../../src/nbd/index.ts';
import { PEERS, type PeerExport, startPeer } from '../../support/nbd-peers.ts';
import { describeWith, program } from '../../support/requires.ts';
import { SEED, seededRandom } from '../../support/seed.ts';

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;
const STYLES = ['simple', 'structured', 'extended'] as const;

for (const [name, start] of Object.entries(PEERS)) {
  describeWith(
    [program(name, name === 'qemu-nbd' ? 'qemu-utils' : name)],
    `${name} (seed ${SEED})`,
    () => {
      let peer: PeerExport;
      let uri: string;
      beforeAll(async () => {
        peer = await start(SIZE);
        uri = `nbd://127.0.0.1:${peer.port}/${peer.exportName}`;
      });
      afterAll(() => peer.stop());

      test('lists its exports', async () => {
        expect((await listNbd(uri)).map((each) => each.name)).toContain(peer.exportName);
      });

      describe.each(STYLES)('%s replies at most', (style) => {
        test('many requests in flight, every byte checked', async () => {
          const client = await connectNbd(uri, { style });
          const device = nbdDevice(client);
          const random = seededRandom();
          const expected = Buffer.alloc(16 * MIB);
          await device.write(expected, 0, PLAIN);
          for (let round = 0; round < 4; round += 1) {
            // Disjoint ranges: the order of overlapping requests in flight is open.
            const writes = Array.from({ length: 64 }, (_, index) => {
              const slot = index * 262_144;
              const length = 512 * (1 + Math.floor(random() * 256));
              const offset = slot + 512 * Math.floor(random() * ((262_144 - length) / 512 + 1));
              const bytes = Buffer.alloc(length, 1 + Math.floor(random() * 255));
              bytes.copy(expected, offset);
              return device.write(bytes, offset, PLAIN);
            });
            await Promise.all(writes);
            const back = Buffer.alloc(expected.length);
            await Promise.all(
              Array.from({ length: 256 }, (_, index) =>
                device.read(back.subarray(index * 65_536, (index + 1) * 65_536), index * 65_536),
              ),
            );
            expect(back.equals(expected)).toBe(true);
          }
          await device.close();
        });

        test('flush, FUA, trim, zero, cache, extents as far as it offers them', async () => {
          const client = await connectNbd(uri, { style });
          const device = nbdDevice(client);
          const { capabilities } = device;
          await device.write(Buffer.alloc(MIB, 0x55), 20 * MIB, capabilities.fua ? FUA : PLAIN);
          if (capabilities.flush) await device.flush();
          const back = Buffer.alloc(65_536);
          if (capabilities.zero) {
            await device.zero(20 * MIB + 65_536, 65_536, PLAIN_ZERO);
            await device.read(back, 20 * MIB + 65_536);
            expect(back.every((byte) => byte === 0)).toBe(true);
            await device.zero(20 * MIB, 65_536, { ...PLAIN_ZERO, noHole: true });
          }
          if (capabilities.trim) await device.trim(24 * MIB, MIB, PLAIN);
          await device.cache(0, MIB);
          let at = 0;
          while (at < SIZE) {
            const extents = await device.extents(at, SIZE - at, 100);
            for (const extent of extents) {
              expect(extent.offset).toBe(at);
              at += extent.length;
            }
          }
          expect(at).toBe(SIZE);
          const [data] = await device.extents(20 * MIB + 131_072, 4096, 1);
          expect(data).toMatchObject({ kind: 'data' });
          await device.close();
        });
      });

      test('an unknown export', async () => {
        if (name === 'nbdkit') return; // its memory plugin accepts every name
        const connecting = connectNbd(`nbd://127.0.0.1:${peer.port}/nothing`);
        await expect(connecting).rejects.toMatchObject({ code: 'EXPORT_NOT_FOUND' });
      });
    },
  );
}

describeWith([program('nbdkit', 'nbdkit')], 'errors of nbdkit', () => {
  test.each([
    ['EIO', 'EIO'],
    ['ENOSPC', 'ENOSPC'],
    ['EPERM', 'EPERM'],
    ['EINVAL', 'EINVAL'],
  ])('%s fails that request alone', async (sent, errno) => {
    const peer = await startPeer('nbdkit', (port) => [
      ...['-f', '-i', '127.0.0.1', '-p', String(port), '--filter=error', 'memory', '16M'],
      ...[`error-pwrite=${sent}`, 'error-pwrite-rate=100%'],
    ]);
    try {
      const client = await connectNbd(`nbd://127.0.0.1:${peer.port}/`);
      const device = nbdDevice(client);
      const reading = Array.from({ length: 20 }, () => device.read(Buffer.alloc(4096), 8192));
      await expect(device.write(Buffer.alloc(4096), 0, PLAIN)).rejects.toMatchObject({
        name: 'BlockError',
        errno,
        operation: 'write',
        offset: 0,
        length: 4096,
      });
      await Promise.all(reading);
      await device.read(Buffer.alloc(4096), 0);
      await device.close();
    } finally {
      await peer.stop();
    }
  });

  test('half of all reads failing at random: the others are right', async () => {
    const peer = await startPeer('nbdkit', (port) => [
      ...['-f', '-i', '127.0.0.1', '-p', String(port), '--filter=error', 'pattern', '16M'],
      ...['error-pread=EIO', 'error-pread-rate=50%'],
    ]);
    try {
      const client = await connectNbd(`nbd://127.0.0.1:${peer.port}/`);
      let failed = 0;
      await Promise.all(
        Array.from({ length: 400 }, async (_, index) => {
          const bytes = Buffer.alloc(4096);
          try {
            await client.read(bytes, index * 4096);
            expect(bytes.readBigUInt64BE(8)).toBe(BigInt(index * 4096 + 8));
          } catch (error) {
            expect(error).toMatchObject({ errno: 'EIO' });
            failed += 1;
          }
        }),
      );
      expect(failed).toBeGreaterThan(100);
      expect(failed).toBeLessThan(300);
      expect(client.ended).toBeUndefined();
      await client.disconnect();
    } finally {
      await peer.stop();
    }
  });

  test('a server that dies: everything in flight fails with EIO', async () => {
    const peer = await startPeer('nbdkit', (port) => [
      ...['-f', '-i', '127.0.0.1', '-p', String(port), '--filter=delay', 'memory', '16M'],
      'rdelay=30',
    ]);
    const client = await connectNbd(`nbd://127.0.0.1:${peer.port}/`);
    const reads = Array.from({ length: 8 }, () => client.read(Buffer.alloc(512), 0));
    const outcomes = Promise.allSettled(reads);
    await Promise.all([peer.stop(), outcomes]);
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected' });
      const { reason } = outcome as PromiseRejectedResult;
      expect(['EIO', 'ESHUTDOWN']).toContain(reason.errno);
    }
    await expect(client.read(Buffer.alloc(512), 0)).rejects.toMatchObject({ name: 'BlockError' });
  });
});
