/** `rootcast image prepare` on a real Debian disk: its own apt database, its own initramfs-tools. */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureDebianImage, runProgram } from '../../src/service/demo/index.ts';
import { prepareImage } from '../../src/service/prepare/prepare-image.ts';
import { describeWith, program, root } from '../support/requires.ts';

const NEEDS = [
  root(),
  program('mmdebstrap', 'mmdebstrap'),
  program('sfdisk', 'fdisk'),
  program('mke2fs', 'e2fsprogs'),
  program('debugfs', 'e2fsprogs'),
  program('e2fsck', 'e2fsprogs'),
  program('unshare', 'util-linux'),
];
const PREPARE_MS = 300_000;
const PARTITION = '?offset=1048576';

describeWith(NEEDS, 'rootcast image prepare', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-prepare-'));
  const disk = join(folder, 'disk.img');

  beforeAll(async () => {
    const image = await ensureDebianImage();
    await runProgram(['cp', '--sparse=always', image.disk, disk]);
    // An image as somebody has it: a system that has run, and without a part of the hooks.
    await put('/etc/machine-id', '0123456789abcdef0123456789abcdef\n');
    await put('/etc/ssh/ssh_host_ed25519_key', 'a key that all would have\n');
    await edit(['rm /usr/lib/rootcast/rootcast-cache.sh']);
    // What makes the initramfs small takes its time.
    await put(
      '/etc/initramfs-tools/conf.d/rootcast',
      'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n',
    );
  }, 1_200_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function edit(commands: readonly string[]): Promise<void> {
    await runProgram(['debugfs', '-w', '-f', '-', `${disk}${PARTITION}`], {
      input: `${commands.join('\n')}\n`,
    });
  }

  async function put(path: string, content: string): Promise<void> {
    const file = join(folder, 'content');
    writeFileSync(file, content);
    await edit([`rm ${path}`, `write ${file} ${path}`]);
    rmSync(file);
  }

  async function contentOf(path: string): Promise<string> {
    const file = join(folder, 'dumped');
    rmSync(file, { force: true });
    await runProgram(['debugfs', '-R', `dump ${path} ${file}`, `${disk}${PARTITION}`]);
    return readFileSync(file, 'utf8');
  }

  async function sumOfDisk(): Promise<string> {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(disk)) hash.update(chunk);
    return hash.digest('hex');
  }

  const prepare = () => prepareImage({ path: disk, install: false, onStep: () => undefined });

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
      expect(readdirSync(folder).filter((name) => name !== 'dumped')).toEqual(['disk.img']);
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
    'refuses what it cannot do, by name, and leaves the image as it was',
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
      await put('/usr/lib/os-release', 'ID=plan9\nPRETTY_NAME="Plan 9"\n');
      await expect(prepare()).rejects.toMatchObject({
        message: expect.stringContaining('this is Plan 9: only Debian'),
      });
    },
    PREPARE_MS,
  );
});
