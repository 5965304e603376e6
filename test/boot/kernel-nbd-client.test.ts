/**
 * The Linux kernel's own NBD client, in a QEMU guest, against our server: two connections, a file
 * system, flushes, forced-unit-access writes, discards, and what is on the disk afterwards as this
 * host's tools read it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type BlockDevice, FaultyDevice, ReadOnlyDevice } from '../../src/block/index.ts';
import { createNbdServer, type NbdServer, singleExport } from '../../src/nbd/index.ts';
import { ensureDebianImage, type Machine, runProgram } from '../../src/service/demo/index.ts';
import { describeWith, program, root } from '../support/requires.ts';
import { CountingDisk } from './support/counting-device.ts';
import { HOST_AS_SEEN_BY_THE_GUEST, startKernelGuest } from './support/kernel-guest.ts';

const NEEDS = [
  root(),
  program('qemu-system-x86_64', 'qemu-system-x86'),
  program('mmdebstrap', 'mmdebstrap'),
  program('sfdisk', 'fdisk'),
  program('mke2fs', 'e2fsprogs'),
  program('e2fsck', 'e2fsprogs'),
  program('debugfs', 'e2fsprogs'),
  program('nbd-client', 'nbd-client'),
];

const DISK_BYTES = 96 * 1024 * 1024;
const STEP_MS = 60_000;

describeWith(NEEDS, 'the Linux kernel as NBD client', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-kernel-'));
  let guest: Machine;
  let server: NbdServer | undefined;

  beforeAll(async () => {
    const programs = ['mke2fs', 'e2fsck'];
    guest = await startKernelGuest(await ensureDebianImage(), folder, { programs });
  });

  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  afterAll(async () => {
    await guest?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const shell = (command: string): Promise<string> => guest.shell.run(command, STEP_MS);

  async function serve(device: BlockDevice): Promise<number> {
    server = createNbdServer({ exports: singleExport('disk', device) });
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    if (address === undefined || !('port' in address)) throw new Error('no port');
    return address.port;
  }

  const connect = (port: number, connections: number): Promise<string> =>
    shell(`nbd-client ${HOST_AS_SEEN_BY_THE_GUEST} ${port} /dev/nbd0 -N disk -C ${connections}`);

  test('two connections carry a file system, and the host reads the same bytes', async () => {
    const disk = new CountingDisk(DISK_BYTES);
    const port = await serve(disk);
    await connect(port, 2);
    expect(server?.connections()).toHaveLength(2);

    // What the kernel made of our transmission flags.
    const queue = await shell('cd /sys/block/nbd0; cat size ro queue/fua queue/write_cache');
    expect(queue.split('\n')).toEqual([String(DISK_BYTES / 512), '0', '1', 'write back']);
    expect(Number(await shell('cat /sys/block/nbd0/queue/discard_max_bytes'))).toBeGreaterThan(0);

    await shell('mke2fs -q -t ext4 /dev/nbd0 && mount -t ext4 /dev/nbd0 /mnt');
    await shell(
      'for i in 1 2 3 4; do dd if=/dev/urandom of=/mnt/file$i bs=64k count=64 conv=fsync & done; wait',
    );
    expect(disk.counts.flush + disk.counts.fuaWrite).toBeGreaterThan(0);
    const written = await shell('cd /mnt; sha256sum file1 file2 file3 file4');
    expect(written.split('\n')).toHaveLength(4);

    // Read back from the server, not from the guest's page cache.
    const readsBefore = disk.counts.read;
    await shell(
      'cd / && umount /mnt && echo 3 > /proc/sys/vm/drop_caches && mount -t ext4 /dev/nbd0 /mnt',
    );
    expect(await shell('cd /mnt; sha256sum file1 file2 file3 file4')).toBe(written);
    expect(disk.counts.read).toBeGreaterThan(readsBefore);

    await shell('cd / && umount /mnt && e2fsck -fn /dev/nbd0 && nbd-client -d /dev/nbd0');
    await expect.poll(() => server?.connections().length, { timeout: 10_000 }).toBe(0);

    const raw = Buffer.alloc(DISK_BYTES);
    await disk.read(raw, 0);
    const path = join(folder, 'disk.img');
    writeFileSync(path, raw);
    await runProgram(['e2fsck', '-fn', path]);
    for (const line of written.split('\n')) {
      const [sum, name] = line.split(/\s+/);
      const copy = join(folder, `${name}`);
      await runProgram(['debugfs', '-R', `dump /${name} ${copy}`, path]);
      expect(await runProgram(['sha256sum', copy])).toContain(sum);
    }
  });

  test('a discarded file system is given back, and what stays is whole', async () => {
    const disk = new CountingDisk(DISK_BYTES);
    await connect(await serve(disk), 1);
    await shell('mke2fs -q -t ext4 -E nodiscard /dev/nbd0 && mount -t ext4 /dev/nbd0 /mnt');
    await shell('dd if=/dev/urandom of=/mnt/gone bs=1M count=32; cp /mnt/gone /mnt/stays; sync');
    const kept = await shell('sha256sum < /mnt/stays');
    await shell('rm /mnt/gone; sync; fstrim /mnt');
    expect(disk.counts.trimmedBytes).toBeGreaterThanOrEqual(32 * 1024 * 1024);
    await shell('umount /mnt && echo 3 > /proc/sys/vm/drop_caches && mount -t ext4 /dev/nbd0 /mnt');
    expect(await shell('sha256sum < /mnt/stays')).toBe(kept);
    await shell('umount /mnt && e2fsck -fn /dev/nbd0 && nbd-client -d /dev/nbd0');
  });

  test('a read-only export is a read-only disk', async () => {
    const disk = new CountingDisk(DISK_BYTES);
    await connect(await serve(new ReadOnlyDevice(disk)), 1);
    expect(await shell('cat /sys/block/nbd0/ro')).toBe('1');
    const refused = await shell(
      'dd if=/dev/zero of=/dev/nbd0 bs=4k count=1 conv=fsync; echo code $?',
    );
    expect(refused).toContain('code 1');
    expect(disk.counts.write + disk.counts.fuaWrite).toBe(0);
    await shell('nbd-client -d /dev/nbd0');
  });

  test('an error of the disk reaches the program that asked, and the connection goes on', async () => {
    const disk = new CountingDisk(DISK_BYTES);
    const bad = { offset: 8 * 1024 * 1024, length: 4096 };
    const faulty = new FaultyDevice(disk, ({ operation, offset, length }) => {
      const hit = offset < bad.offset + bad.length && bad.offset < offset + length;
      return operation === 'read' && hit ? { errno: 'EIO' } : undefined;
    });
    await connect(await serve(faulty), 1);
    const read = (block: number): Promise<string> =>
      shell(`dd if=/dev/nbd0 of=/dev/null bs=4k count=1 skip=${block} iflag=direct; echo code $?`);
    const at = bad.offset / 4096;
    expect(await read(at)).toMatch(/Input\/output error\ncode 1$/);
    expect(await read(at + 1)).toContain('code 0');
    expect(server?.connections()).toHaveLength(1);
    await shell('nbd-client -d /dev/nbd0');
  });
});
