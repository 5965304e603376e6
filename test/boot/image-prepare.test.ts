/**
 * Images are prepared: a real Debian disk, its own apt database, its own initramfs-tools; by `rootcast image prepare`,
 * and on import. What runs in the image can do nothing to this host, and nothing is left of one that is killed.
 */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureDebianImage, LabService, runProgram } from '../../src/service/demo/index.ts';
import { prepareImage } from '../../src/service/prepare/prepare-image.ts';
import { describeWith, program, root, slow } from '../support/requires.ts';
import { until } from '../support/until.ts';
import { makeLocalRepository } from './support/local-repository.ts';

const NEEDS = [
  root(),
  program('mmdebstrap', 'mmdebstrap'),
  program('sfdisk', 'fdisk'),
  program('mke2fs', 'e2fsprogs'),
  program('debugfs', 'e2fsprogs'),
  program('e2fsck', 'e2fsprogs'),
  program('unshare', 'util-linux'),
  program('bwrap', 'bubblewrap'),
  program('qemu-img', 'qemu-utils'),
  program('dpkg-deb', 'dpkg'),
];
const PREPARE_MS = 300_000;
const PARTITION = '?offset=1048576';

/** A hook of the image that tries what it must not be able to do, harmlessly if it can: a line for each that it could. */
const nosyHook = (fileOfTheHost: string): string => `#!/bin/sh
[ "$1" != prereqs ] || exit 0
{
  [ ! -e ${fileOfTheHost} ] || echo 'sees a file of the host'
  mount -t tmpfs nosy /mnt 2> /dev/null && echo mounts
  for folder in /root /dev /run /tmp; do
    mknod $folder/device c 1 5 2> /dev/null
    head -c 1 $folder/device > /dev/null 2>&1 && echo "opens a device in $folder"
    rm -f $folder/device
  done
  value=$(cat /proc/sys/vm/swappiness)
  (echo "$value" > /proc/sys/vm/swappiness) 2> /dev/null && echo 'writes settings of the kernel'
  kill -0 ${process.pid} 2> /dev/null && echo 'sees a process of the host'
  [ "$(grep -c : /proc/net/dev)" -le 1 ] || echo 'has a network'
  echo end
} > /root/nosy
`;

describeWith(NEEDS, 'an image is prepared', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-prepare-'));
  const aside = mkdtempSync(join(tmpdir(), 'rootcast-prepare-aside-'));
  const disk = join(folder, 'disk.img');

  beforeAll(async () => {
    const image = await ensureDebianImage();
    await runProgram(['cp', '--sparse=always', image.disk, disk]);
    // An image as somebody has it: a system that has run, and without a part of the hooks.
    await put('/etc/machine-id', '0123456789abcdef0123456789abcdef\n');
    await put('/etc/ssh/ssh_host_ed25519_key', 'a key that all would have\n');
    await put('/etc/resolv.conf', 'nameserver 192.0.2.1\n');
    await edit(['rm /usr/lib/rootcast/rootcast-cache.sh']);
    // What makes the initramfs small takes its time.
    await put(
      '/etc/initramfs-tools/conf.d/rootcast',
      'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n',
    );
    await put('/etc/initramfs-tools/hooks/nosy', nosyHook(disk));
    await edit(['set_inode_field /etc/initramfs-tools/hooks/nosy mode 0100755']);
  }, 1_200_000);

  afterAll(() => {
    for (const path of [folder, aside]) rmSync(path, { recursive: true, force: true });
  });

  async function edit(commands: readonly string[]): Promise<void> {
    await runProgram(['debugfs', '-w', '-f', '-', `${disk}${PARTITION}`], {
      input: `${commands.join('\n')}\n`,
    });
  }

  async function put(path: string, content: string): Promise<void> {
    const file = join(aside, 'content');
    writeFileSync(file, content);
    await edit([`rm ${path}`, `write ${file} ${path}`]);
  }

  async function bytesOf(path: string): Promise<Buffer> {
    const file = join(aside, 'dumped');
    rmSync(file, { force: true });
    await runProgram(['debugfs', '-R', `dump ${path} ${file}`, `${disk}${PARTITION}`]);
    return readFileSync(file);
  }

  const contentOf = async (path: string): Promise<string> => (await bytesOf(path)).toString();

  /** All that is on the disk, as the folder `tree`. */
  async function unpackedIn(parent: string): Promise<string> {
    const tree = join(parent, 'tree');
    mkdirSync(tree);
    await runProgram(['debugfs', '-R', `rdump / ${tree}`, `${disk}${PARTITION}`]);
    return tree;
  }

  async function sumOfDisk(): Promise<string> {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(disk)) hash.update(chunk);
    return hash.digest('hex');
  }

  /** Loop devices over files of this test. */
  async function loops(): Promise<string[]> {
    const listed = await runProgram(['losetup', '--list', '--noheadings', '--output', 'BACK-FILE']);
    return listed.split('\n').filter((line) => line.includes(basename(folder)));
  }

  const prepare = (path = disk) => prepareImage({ path, install: false, onStep: () => undefined });

  test(
    'brings what is missing, takes away what would be the same on all, and says so',
    async () => {
      const { changed, missing } = await prepare();
      expect(changed).toEqual([
        '/usr/lib/rootcast/rootcast-cache.sh',
        '/etc/machine-id emptied: every machine is given its own',
        '/etc/ssh/ssh_host_ed25519_key removed: every machine has its own',
        'the initramfs is made anew, by initramfs-tools',
      ]);
      expect(missing).toEqual([]);
      await runProgram(['e2fsck', '-fn', `${disk}${PARTITION}`]);
      const script = new URL('../../boot/lib/rootcast-cache.sh', import.meta.url);
      expect(await contentOf('/usr/lib/rootcast/rootcast-cache.sh')).toBe(
        readFileSync(script, 'utf8'),
      );
      expect(await contentOf('/etc/machine-id')).toBe('');
      expect(await contentOf('/root/nosy')).toBe('end\n');
      expect(readdirSync(folder)).toEqual(['disk.img']);
    },
    PREPARE_MS,
  );

  test(
    'changes nothing the second time',
    async () => {
      const before = await sumOfDisk();
      expect((await prepare()).changed).toEqual([]);
      expect(await sumOfDisk()).toBe(before);
    },
    PREPARE_MS,
  );

  test(
    'that is a folder, unless something is mounted in it',
    async () => {
      const tree = await unpackedIn(folder);
      writeFileSync(join(tree, 'etc/hostname'), 'same-for-all\n');
      await runProgram(['mount', '-t', 'tmpfs', 'rootcast-test', join(tree, 'mnt')]);
      try {
        await expect(prepare(tree)).rejects.toMatchObject({
          code: 'IMAGE_UNSUPPORTED',
          message: expect.stringContaining(`${join(tree, 'mnt')} is mounted: unmount it first`),
        });
      } finally {
        await runProgram(['umount', join(tree, 'mnt')]);
      }
      expect((await prepare(tree)).changed).toEqual([
        '/etc/hostname removed: every machine has its own',
      ]);
      expect(readdirSync(join(tree, 'etc'))).not.toContain('hostname');
      expect(readdirSync(folder).sort()).toEqual(['disk.img', 'tree']);
      rmSync(tree, { recursive: true });
    },
    PREPARE_MS,
  );

  describeWith([slow()], 'with /boot on a partition of its own', () => {
    const BOOT_ID = '5f0c7a3e-52c1-4d0b-9a56-626f6f746264';
    const other = join(aside, 'other.img');

    /** @param startMiB where the partition begins; it has 512 bytes a sector */
    const makeFileSystem = (tree: string, startMiB: number, mebibytes: number, id: string) =>
      runProgram([
        ...(['mke2fs', '-q', '-F', '-t', 'ext4', '-U', id, '-d', tree] as const),
        ...['-E', `offset=${startMiB * 1024 * 1024}`, other, `${mebibytes}M`],
      ]);

    test(
      'finds it by fstab, and makes the initramfs there',
      async () => {
        const tree = await unpackedIn(aside);
        rmSync(join(tree, 'usr/lib/rootcast/prepared'));
        await runProgram(['mv', join(tree, 'boot'), join(aside, 'boot')]);
        mkdirSync(join(tree, 'boot'));
        const table =
          '# /boot was on /dev/sda1 during installation\nUUID=%s /boot ext4 defaults 0 2\n';
        writeFileSync(join(tree, 'etc/fstab'), table.replace('%s', BOOT_ID));
        await runProgram(['truncate', '-s', '1200M', other]);
        const parts = ['label: gpt', 'start=1MiB, size=200MiB', 'start=201MiB, size=998MiB'];
        await runProgram(['sfdisk', '-q', other], { input: `${parts.join('\n')}\n` });
        await makeFileSystem(join(aside, 'boot'), 1, 200, BOOT_ID);
        await makeFileSystem(tree, 201, 998, '5f0c7a3e-52c1-4d0b-9a56-726f6f746365');
        rmSync(tree, { recursive: true });

        expect((await prepare(other)).changed).toEqual([
          'the initramfs is made anew, by initramfs-tools',
        ]);
        const kernels = readdirSync(join(aside, 'boot')).filter((name) => /^vmlinuz-/.test(name));
        const [kernel = ''] = kernels.map((name) => name.slice('vmlinuz-'.length));
        const initrd = join(aside, 'initrd');
        const dump = `dump /initrd.img-${kernel} ${initrd}`;
        await runProgram(['debugfs', '-R', dump, `${other}?offset=${1024 * 1024}`]);
        const made = readFileSync(initrd);
        expect(made.equals(readFileSync(join(aside, 'boot', `initrd.img-${kernel}`)))).toBe(false);
        for (const at of [1, 201]) {
          await runProgram(['e2fsck', '-fn', `${other}?offset=${at * 1024 * 1024}`]);
        }

        // One that is not on this disk.
        const wrong = join(aside, 'fstab');
        writeFileSync(wrong, 'UUID=0000-0001 /boot vfat defaults 0 2\n');
        await runProgram(['debugfs', '-w', '-f', '-', `${other}?offset=${201 * 1024 * 1024}`], {
          input: `rm /etc/fstab\nwrite ${wrong} /etc/fstab\n`,
        });
        await expect(prepare(other)).rejects.toMatchObject({
          message: expect.stringContaining(
            'its /boot is UUID=0000-0001, which is not on this disk',
          ),
        });
      },
      PREPARE_MS,
    );
  });

  test(
    'is refused by name when it cannot be, and is as it was',
    async () => {
      const status = await contentOf('/var/lib/dpkg/status');
      const without = status.replace(
        /(^Package: dmsetup\nStatus: )install ok installed/m,
        '$1deinstall ok config-files',
      );
      expect(without).not.toBe(status);
      await put('/var/lib/dpkg/status', without);
      const before = await sumOfDisk();
      await expect(prepare()).rejects.toMatchObject({
        code: 'IMAGE_UNSUPPORTED',
        message: expect.stringContaining('packages are missing: dmsetup'),
      });
      expect(await sumOfDisk()).toBe(before);
      const release = await contentOf('/usr/lib/os-release');
      await put('/usr/lib/os-release', 'ID=plan9\nPRETTY_NAME="Plan 9"\n');
      await expect(prepare()).rejects.toMatchObject({
        message: expect.stringContaining('this is Plan 9: only Debian'),
      });
      await put('/usr/lib/os-release', release);
    },
    PREPARE_MS,
  );

  describe('on import', () => {
    const image = join(folder, 'disk.qcow2');
    let service: LabService | undefined;
    const start = async (): Promise<void> => {
      service = await LabService.start({ namespace: undefined, folder, arguments: [] });
    };
    const cli = (...args: readonly string[]): Promise<string> => {
      if (service === undefined) throw new Error('there is no service');
      return service.cli(args);
    };
    const importIt = (name: string, ...more: readonly string[]): Promise<string> =>
      cli('vdisk', 'import', image, '--name', name, '--prepare', ...more);
    const uploads = (): string[] => readdirSync(join(folder, 'data', 'uploads'));

    beforeAll(async () => {
      // The package that it lacks, where its own apt finds it: no test asks a network.
      const program = { path: '/usr/sbin/dmsetup', content: await bytesOf('/usr/sbin/dmsetup') };
      await makeLocalRepository(aside, { name: 'dmsetup', version: '2:9', program });
      const files = ['Packages', 'dmsetup.deb'].map((name) => `write ${join(aside, name)} ${name}`);
      await edit(['mkdir /srv/repository', 'cd /srv/repository', ...files]);
      await put('/etc/apt/sources.list', 'deb [trusted=yes] file:/srv/repository ./\n');
      await runProgram(['qemu-img', 'convert', '-O', 'qcow2', disk, image]);
      rmSync(disk);
      await start();
    }, PREPARE_MS);

    afterAll(() => service?.kill());

    test(
      'is refused with the reason, and nothing stays',
      async () => {
        await expect(importIt('debian')).rejects.toThrow('packages are missing: dmsetup');
        expect(JSON.parse(await cli('vdisk', 'list', '--json'))).toEqual([]);
        expect(uploads()).toEqual([]);
      },
      PREPARE_MS,
    );

    test(
      'gets the packages that it lacks when that is said, and is what the vDisk holds',
      async () => {
        const told = await importIt('debian', '--install');
        expect(told).toContain('changed: packages installed: dmsetup\n');
        expect(told).toContain('changed: the initramfs is made anew, by initramfs-tools\n');
        const shown = JSON.parse(await cli('vdisk', 'show', 'debian', '--json'));
        expect(shown).toMatchObject({
          bootable: true,
          versions: [{ initramfs: 'initramfs-tools' }],
        });
        await cli('vdisk', 'export', 'debian', disk, '--format', 'raw');
        expect(await contentOf('/var/lib/dpkg/status')).toMatch(
          /^Package: dmsetup\nStatus: install ok installed/m,
        );
        expect(await contentOf('/etc/resolv.conf')).toBe('nameserver 192.0.2.1\n');
        expect(uploads()).toEqual([]);
      },
      PREPARE_MS,
    );

    test.each(['killed', 'cancelled'])(
      'leaves no mount, no loop device and no file when it is %s',
      async (end) => {
        const importing = importIt('again', '--install');
        importing.catch(() => undefined);
        await until('it is mounted', async () => (await loops()).length > 0);
        if (end === 'killed') {
          await service?.kill();
          await expect(importing).rejects.toThrow();
          await start();
        } else {
          const tasks = JSON.parse(await cli('task', 'list', '--json'));
          await cli('task', 'cancel', tasks[0].id);
          await expect(importing).rejects.toThrow('CANCELLED');
        }
        await until('its loop device is gone', async () => (await loops()).length === 0);
        expect(uploads()).toEqual([]);
        expect(await cli('vdisk', 'list', '--json')).not.toContain('again');
      },
      PREPARE_MS,
    );
  });
});
