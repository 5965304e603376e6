/**
 * Write caches on the machine, in a small guest with the image's kernel: boot/lib/rootcast-cache.sh builds each mode
 * over a read-only disk; then it is filled, and what was written is compared.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureDebianImage, type Machine, runProgram } from '../../src/service/demo/index.ts';
import { describeWith, program, root } from '../support/requires.ts';
import { until } from '../support/until.ts';
import { HOST_AS_SEEN_BY_THE_GUEST, startKernelGuest } from './support/kernel-guest.ts';

const NEEDS = [
  root(),
  program('qemu-system-x86_64', 'qemu-system-x86'),
  program('mmdebstrap', 'mmdebstrap'),
  program('sfdisk', 'fdisk'),
  program('mke2fs', 'e2fsprogs'),
  program('debugfs', 'e2fsprogs'),
  program('dmsetup', 'dmsetup'),
];

/** The guest alone takes ten seconds. */
const BOOT_MS = 300_000;
const MIB = 1024 * 1024;
const STEP_MS = 120_000;
const LIB = new URL('../../boot/lib/', import.meta.url);
const SCRIPTS = [
  'rootcast-attach.sh',
  'rootcast-cache.sh',
  'rootcast-http.sh',
  'rootcast-watch.sh',
];

/** What every scene begins with: the scripts as the initramfs has them, and an origin. */
const PREPARE = `export DM_DISABLE_UDEV=1
. /usr/lib/rootcast/rootcast-attach.sh
. /usr/lib/rootcast/rootcast-cache.sh
ROOTCAST_RUN=/run; ROOTCAST_ORIGIN=/dev/vda; ROOTCAST_DISK_SECONDS=0
# A machine would go down here, and try again.
ROOTCAST_REFUSED_SECONDS=0
[ -e /tmp/sysrq ] || { : > /tmp/sysrq; mount --bind /tmp/sysrq /proc/sysrq-trigger; }
reboot() { echo "REFUSED: $ROOTCAST_WHY"; }
# A boot with these words on the command line; what the one before has made is gone.
boot() {
  umount /mnt 2> /dev/null
  for device in rootcast-cache rootcast-store; do dmsetup remove $device 2> /dev/null; done
  for device in /dev/loop*; do losetup -d $device 2> /dev/null; done
  for device in /sys/block/zram*; do echo \${device#/sys/block/zram} > /sys/class/zram-control/hot_remove; done
  umount /proc/cmdline 2> /dev/null
  echo "$(cat /proc/cmdline) $*" > /tmp/cmdline
  mount --bind /tmp/cmdline /proc/cmdline
  ROOTCAST_RAM= ROOTCAST_LOCAL=
  rootcast_arguments
  rootcast_cache_store && rootcast_cache && [ -n "$ROOTCAST_STORE" ] || return 1
  mount -t ext4 "$ROOTCAST_DISK" /mnt && echo "MOUNTED $ROOTCAST_DISK over $ROOTCAST_STORE"
}
`;

describeWith(NEEDS, 'a write cache on the machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-caches-'));
  const reports: string[] = [];
  let answer = 204;
  let server: Server;
  let guest: Machine;
  let disksBefore: readonly string[] = [];

  const shell = (command: string): Promise<string> => guest.shell.run(command, STEP_MS);
  /** A boot of the machine; @returns what it says, also when it refuses. */
  const boot = (words: string): Promise<string> =>
    guest.shell.run(`. /scene; boot ${words} 2>&1; echo`, STEP_MS);
  const fill = (name: string, mebibytes: number): Promise<string> =>
    shell(
      `dd if=/dev/urandom of=/mnt/${name} bs=1M count=${mebibytes} conv=fsync 2>&1; echo code $?`,
    );
  const sumOf = (name: string): Promise<string> =>
    shell(`echo 3 > /proc/sys/vm/drop_caches; sha256sum < /mnt/${name}`);
  const state = (): Promise<string> => shell('dmsetup status rootcast-cache');

  function blank(name: string, bytes: number): string {
    const path = join(folder, name);
    writeFileSync(path, '');
    truncateSync(path, bytes);
    return path;
  }

  /** A disk with one partition of this name. */
  async function partitioned(path: string, name: string): Promise<string> {
    await runProgram(['sfdisk', '-q', path], { input: `label: gpt\nname=${name}\n` });
    return path;
  }

  const contentOf = (path: string): string =>
    createHash('sha256').update(readFileSync(path)).digest('hex');

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        reports.push(`${request.method} ${request.url} ${body}`);
        response.writeHead(answer).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const origin = blank('origin', 128 * MIB);
    // Blocks of 1 KiB: over a store with sectors of 4 KiB it could not be mounted.
    await runProgram(['mke2fs', '-q', '-F', '-t', 'ext4', '-b', '1024', origin]);
    await runProgram([
      'mke2fs',
      '-q',
      '-F',
      '-t',
      'ext4',
      '-L',
      'precious',
      blank('vdb', 256 * MIB),
    ]);
    await partitioned(blank('vdc', 256 * MIB), 'rootcast-cached');
    await partitioned(blank('vdd', 52 * MIB), 'rootcast-cache');
    blank('vde', 256 * MIB);
    disksBefore = ['vdb', 'vdc'].map((name) => contentOf(join(folder, name)));
    const url = `rootcast.url=http://${HOST_AS_SEEN_BY_THE_GUEST}:${port}/boot`;
    guest = await startKernelGuest(await ensureDebianImage(), folder, {
      programs: ['dmsetup', 'losetup', 'blkid', 'bash', 'sha256sum'],
      modules: ['virtio_blk', 'dm_mod', 'dm_snapshot', 'lzo_rle', 'zram', 'loop'],
      files: [
        ...SCRIPTS.map((name) => ({
          path: `usr/lib/rootcast/${name}`,
          content: readFileSync(new URL(name, LIB)),
        })),
        { path: 'scene', content: Buffer.from(PREPARE) },
      ],
      memoryMiB: 384,
      disks: ['origin', 'vdb', 'vdc', 'vdd', 'vde'].map((name) => join(folder, name)),
      commandLine: [
        'rootcast.server=h:1 rootcast.export=machine/a BOOTIF=01-52-54-00-4e-42-44',
        url,
      ],
    });
    await shell('blockdev --setro /dev/vda');
  }, BOOT_MS);

  afterAll(async () => {
    await guest?.kill();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  test('device-ram: full, it refuses writes and tells, and what was written is still read', async () => {
    const said = await boot('rootcast.cache=device-ram rootcast.cache.ram=10');
    expect(said).toMatch(/MOUNTED \/dev\/mapper\/rootcast-cache over \/dev\/loop/);
    expect(reports.at(-1)).toMatch(
      /^POST \/boot\/report\?mac=52:54:00:4e:42:44 mode=device-ram\nstate=good\nreason=\nsize=\d+\nused=0/,
    );
    const watch = await shell(
      'setsid sh /usr/lib/rootcast/rootcast-watch.sh < /dev/null > /dev/null 2>&1 & echo $!',
    );
    expect(await fill('first', 16)).toContain('code 0');
    const sum = await sumOf('first');
    expect(await fill('second', 60)).toContain('code 1');
    expect(await state()).toContain('Overflow');
    expect(await sumOf('first')).toBe(sum);
    expect(await fill('third', 1)).toContain('code 1');
    await until('it tells', () => reports.some((report) => report.includes('state=full')));
    expect(await shell('dmesg')).toContain('is full: writes fail');
    await shell(`kill ${watch.trim()}`);
  });

  test('device-ram-overflow: memory first, then the marked disk; full as memory is', async () => {
    const said = await boot('rootcast.cache=device-ram-overflow rootcast.cache.ram=10');
    expect(said).toContain('over /dev/mapper/rootcast-store');
    const written = (): Promise<string> => shell("awk '{print $7}' /sys/block/vdd/stat");
    const before = await written();
    expect(await fill('first', 12)).toContain('code 0');
    expect(await written()).toBe(before);
    expect(await fill('second', 40)).toContain('code 0');
    expect(Number(await written())).toBeGreaterThan(Number(before) + 8 * 2048);
    const sums = [await sumOf('first'), await sumOf('second')];
    expect(await fill('third', 50)).toContain('code 1');
    expect(await state()).toContain('Overflow');
    expect([await sumOf('first'), await sumOf('second')]).toEqual(sums);
  });

  test('device-disk: begins empty at every boot, and is nothing but the marked disk', async () => {
    expect(await boot('rootcast.cache=device-disk')).toContain('MOUNTED');
    expect(await shell('dmsetup table rootcast-store')).toMatch(/^0 \d+ linear \d+:\d+ 2048$/m);
    expect(await shell('ls /mnt')).toBe('lost+found');
    expect(await fill('first', 16)).toContain('code 0');
    expect(await boot('rootcast.cache=device-disk')).toContain('MOUNTED');
    expect(await shell('ls /mnt')).toBe('lost+found');
    expect(await state()).not.toContain('Invalid');
    expect(await fill('first', 90)).toContain('code 1');
    expect(await state()).toContain('Overflow');
  });

  test('a disk that is lost takes all of the cache with it: errors, and nothing stale', async () => {
    expect(await boot('rootcast.cache=device-disk')).toContain('MOUNTED');
    expect(await fill('first', 8)).toContain('code 0');
    const size = (await shell('blockdev --getsz /dev/mapper/rootcast-store')).trim();
    const broken = `dmsetup reload rootcast-store --table "0 ${size} error" && dmsetup suspend --noflush --nolockfs rootcast-store && dmsetup resume rootcast-store`;
    await shell(broken);
    const watch = await shell(
      'setsid sh /usr/lib/rootcast/rootcast-watch.sh < /dev/null > /dev/null 2>&1 & echo $!',
    );
    expect(await fill('second', 8)).toContain('code 1');
    expect(await state()).toContain('Invalid');
    await until('it tells', () => reports.some((report) => report.includes('state=failed')));
    await shell(`kill ${watch.trim()}`);
    expect(
      await shell('echo 3 > /proc/sys/vm/drop_caches; cat /mnt/first > /dev/null; echo code $?'),
    ).toContain('code 1');
  });

  test('what is not marked is never written to, and an empty disk only where that is asked for', async () => {
    await shell('dd if=/dev/zero of=/dev/vdd bs=1M count=52 2> /dev/null; echo');
    await shell('blockdev --rereadpt /dev/vdd; echo');
    const none = await boot('rootcast.cache=device-disk');
    expect(none).toContain('REFUSED: no disk is marked rootcast-cache');
    expect(reports.at(-1)).toContain('mode=none\nstate=refused\nreason=no disk is marked');
    const taken = await boot('rootcast.cache=device-disk rootcast.cache.take-empty-disk=1');
    expect(taken).toContain('MOUNTED');
    expect(await shell('dmsetup deps -o devname rootcast-store')).toContain('(vde)');
    expect(await fill('first', 8)).toContain('code 0');
  });

  test('what is impossible is what the vDisk says: another mode, the server, or no boot', async () => {
    const less = await boot(
      'rootcast.cache=device-ram-overflow rootcast.cache.fallback=device-ram,server rootcast.cache.ram=10',
    );
    expect(less).toContain('MOUNTED');
    expect(reports.at(-1)).toContain('mode=device-ram\nstate=good\nreason=no disk is marked');
    const server = await boot(
      'rootcast.cache=device-ram rootcast.cache.fallback=server rootcast.cache.ram=99',
    );
    expect(server).not.toContain('MOUNTED');
    expect(reports.at(-1)).toMatch(
      /mode=server\nstate=good\nreason=a cache of \d+ MiB leaves less/,
    );
    answer = 409;
    const refused = await boot(
      'rootcast.cache=device-ram rootcast.cache.fallback=server rootcast.cache.ram=1',
    );
    expect(refused).toMatch(/REFUSED: 1 % of the memory .* the server does not take them/);
    answer = 204;
  });

  test('and those disks are as they were', async () => {
    const before = [contentOf(join(folder, 'vdb')), contentOf(join(folder, 'vdc'))];
    await guest.kill();
    expect(disksBefore).toEqual(before);
  });
});
