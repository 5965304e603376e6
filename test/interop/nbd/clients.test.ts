/** Our server with the clients that people have: libnbd's tools, QEMU's, fio. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  fillPattern,
  type NbdServerProcess,
  startNbdServer,
} from '../../support/nbd-server-process.ts';
import { describeWith, file, program } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;

let folder: string;
let server: NbdServerProcess;
let uri: (name: string) => string;
let unixUri: (name: string) => string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootcast-interop-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A fresh server for every test: the disk is empty. */
beforeEach(async () => {
  const socket = join(folder, 'nbd.sock');
  server = await startNbdServer({ size: SIZE, socket });
  uri = (name) => `nbd://127.0.0.1:${server.port}/${name}`;
  unixUri = (name) => `nbd+unix:///${name}?socket=${socket}`;
});
afterEach(async () => {
  expect(await server.stop(), server.errors()).toBe(0);
  expect(server.errors()).toBe('');
});

/** An image with data, zeroes and holes: numbered words in three places. */
function makeImage(name: string): { path: string; bytes: Buffer } {
  const bytes = Buffer.alloc(SIZE);
  for (const [start, end] of [
    [0, MIB],
    [10 * MIB + 4096, 11 * MIB],
    [SIZE - 65_536, SIZE],
  ] as const) {
    fillPattern(bytes.subarray(start, end), start);
  }
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return { path, bytes };
}

describeWith([program('nbdinfo', 'libnbd-bin')], 'nbdinfo', () => {
  test('lists the exports', async () => {
    const { stdout } = await succeed('nbdinfo', [
      '--list',
      '--json',
      `nbd://127.0.0.1:${server.port}`,
    ]);
    const { exports } = JSON.parse(stdout) as { exports: Record<string, unknown>[] };
    const names = exports.map((each) => each['export-name']);
    expect(names).toEqual(['disk', 'read-only', 'huge', 'aligned']);
    expect(exports[0]).toMatchObject({
      description: 'test export disk',
      'export-size': SIZE,
      is_read_only: false,
      can_multi_conn: true,
      can_fua: true,
      can_flush: true,
      can_trim: true,
      can_zero: true,
      can_fast_zero: true,
      can_cache: true,
      can_df: true,
      contexts: ['base:allocation'],
      block_size_minimum: 1,
    });
    expect(exports[1]).toMatchObject({ is_read_only: true });
    expect(exports[3]).toMatchObject({ block_size_minimum: 4096 });
  });

  test('says that the protocol is newstyle-fixed with structured replies', async () => {
    const { stdout } = await succeed('nbdinfo', ['--json', unixUri('disk')]);
    expect(JSON.parse(stdout)).toMatchObject({
      protocol: 'newstyle-fixed',
      TLS: false,
      structured: true,
    });
  });

  test('maps data and holes', async () => {
    const { stdout } = await succeed('nbdinfo', ['--map', '--json', uri('read-only')]);
    const map = JSON.parse(stdout) as { offset: number; length: number; type: number }[];
    expect(map.map(({ offset, length, type }) => [offset, length, type])).toEqual([
      [0, SIZE / 4, 0],
      [SIZE / 4, (SIZE * 3) / 4, 3],
    ]);
  });
});

describeWith([program('nbdcopy', 'libnbd-bin')], 'nbdcopy', () => {
  test('copies an image in and out again, over several connections', async () => {
    const { path, bytes } = makeImage('in.img');
    await succeed('nbdcopy', ['--connections=4', path, uri('disk')]);
    const { stdout } = await succeed('nbdinfo', ['--map', '--totals', '--json', uri('disk')]);
    const hole = (JSON.parse(stdout) as { type: number; size: number }[]).find(
      ({ type }) => type === 3,
    );
    expect(hole?.size).toBeGreaterThan(SIZE / 2); // the zeroes did not become data
    const out = join(folder, 'out.img');
    await succeed('nbdcopy', ['--connections=4', unixUri('disk'), out]);
    expect(readFileSync(out).equals(bytes)).toBe(true);
  });

  test('copies from export to export', async () => {
    await succeed('nbdcopy', ['--allocated', uri('read-only'), uri('disk')]);
    const out = join(folder, 'copy.img');
    await succeed('nbdcopy', [uri('disk'), out]);
    const expected = Buffer.alloc(SIZE);
    fillPattern(expected.subarray(0, SIZE / 4), 0);
    expect(readFileSync(out).equals(expected)).toBe(true);
  });
});

/** What nbdsh is worth having for: commands that other clients never send. */
const HOSTILE = `
import errno
h.set_strict_mode(0)
def fails(code, call):
    try:
        call()
    except nbd.Error as e:
        assert e.errnum == code, (e.errnum, code)
    else:
        assert False, 'no error'
size = h.get_size()
fails(errno.EINVAL, lambda: h.pread(512, size))
fails(errno.ENOSPC, lambda: h.pwrite(b'x' * 512, size))
fails(errno.ENOSPC, lambda: h.zero(1024, size - 512))
fails(errno.EINVAL, lambda: h.trim(1024, size - 512))
fails(errno.EINVAL, lambda: h.pread(512, 0, 1 << 12))
fails(errno.EINVAL, lambda: h.flush(1 << 9))
h.pwrite(b'a' * 100000, 12345, nbd.CMD_FLAG_FUA)
assert h.pread(100000, 12345) == b'a' * 100000
h.zero(4096, 20000, nbd.CMD_FLAG_NO_HOLE)
assert h.pread(4098, 19999) == b'a' + bytes(4096) + b'a'
h.zero(4096, 20000, nbd.CMD_FLAG_FAST_ZERO)
h.trim(65536, 0)
h.cache(65536, 0)
h.flush()
h.pread(65536, 0, nbd.CMD_FLAG_DF)
cookies = [h.aio_pread(nbd.Buffer(4096), 4096 * i) for i in range(512)]
while h.aio_in_flight() > 0:
    h.poll(-1)
assert all(h.aio_command_completed(c) for c in cookies)
`;

const PYTHON = '/usr/bin/python3';

describeWith([file('/usr/lib/python3/dist-packages/nbd.py', 'python3-libnbd')], 'nbdsh', () => {
  test('sends what strict clients do not, and gets the errors of the document', async () => {
    await succeed(PYTHON, ['-m', 'nbd', '-u', uri('disk'), '-c', HOSTILE]);
  });

  test('is told no on a read-only export', async () => {
    const script = `
import errno
h.set_strict_mode(0)
assert h.is_read_only()
for call in [lambda: h.pwrite(b'x' * 512, 0), lambda: h.trim(512, 0), lambda: h.zero(512, 0)]:
    try:
        call()
        assert False
    except nbd.Error as e:
        assert e.errnum == errno.EPERM, e
`;
    await succeed(PYTHON, ['-m', 'nbd', '-u', unixUri('read-only'), '-c', script]);
  });

  test('is refused an unknown export with ENOENT', async () => {
    const script = `
import errno
try:
    h.connect_uri('${uri('nothing')}')
    assert False
except nbd.Error as e:
    assert e.errnum == errno.ENOENT, e
`;
    await succeed(PYTHON, ['-m', 'nbd', '-c', script]);
  });

  test('addresses 64 TiB', async () => {
    const script = `
for offset in [0, 2**32 - 4096, 2**40 + 1, 2**46 - 4096]:
    h.pwrite(offset.to_bytes(8, 'big') * 512, offset)
for offset in [0, 2**32 - 4096, 2**40 + 1, 2**46 - 4096]:
    assert h.pread(4096, offset) == offset.to_bytes(8, 'big') * 512
`;
    await succeed(PYTHON, ['-m', 'nbd', '-u', uri('huge'), '-c', script]);
  });
});

describeWith([program('qemu-img', 'qemu-utils')], 'qemu-img and qemu-io', () => {
  test('info, convert in, map, compare, convert out', async () => {
    const { path, bytes } = makeImage('qemu.img');
    const info = await succeed('qemu-img', ['info', '--output=json', uri('disk')]);
    expect(JSON.parse(info.stdout)).toMatchObject({ 'virtual-size': SIZE, format: 'raw' });
    await succeed('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', path, uri('disk')]);
    await succeed('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', path, unixUri('disk')]);
    const map = await succeed('qemu-img', ['map', '-f', 'raw', '--output=json', uri('disk')]);
    const zeroes = (JSON.parse(map.stdout) as { zero: boolean; length: number }[])
      .filter(({ zero }) => zero)
      .reduce((sum, { length }) => sum + length, 0);
    expect(zeroes).toBeGreaterThan(SIZE / 2);
    const out = join(folder, 'out.qcow2');
    await succeed('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', uri('disk'), out]);
    await succeed('qemu-img', ['compare', out, path]);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test('compare sees a difference of one byte', async () => {
    const { path } = makeImage('one.img');
    await succeed('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', path, uri('disk')]);
    await succeed('qemu-io', ['-f', 'raw', '-c', 'write -P 0x5a 33333333 1', uri('disk')]);
    const compare = succeed('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', path, uri('disk')]);
    await expect(compare).rejects.toThrow('exited with 1');
  });

  test('qemu-io writes, zeroes, discards and verifies', async () => {
    const commands = [
      'write -P 0xaa 0 1M',
      'write -f -P 0xbb 65537 70001',
      'write -z 128k 64k',
      'write -zu 256k 64k',
      'read -P 0xaa 0 65537',
      'read -P 0xbb 65537 65535',
      'read -P 0 128k 64k',
      'read -P 0 256k 64k',
      'read -P 0xaa 320k 704k',
      'discard 2M 1M',
      'aio_write -P 0xcc 4M 1M',
      'aio_write -P 0xdd 5M 1M',
      'aio_flush',
      'read -P 0xcc 4M 1M',
      'read -P 0xdd 5M 1M',
      'flush',
    ];
    const args = commands.flatMap((command) => ['-c', command]);
    const { stdout } = await succeed('qemu-io', ['-f', 'raw', ...args, uri('disk')]);
    expect(stdout).not.toMatch(/fail|error/i);
  });

  test('runs a qcow2 file that is stored in the export', async () => {
    await succeed('qemu-img', ['create', '-q', '-f', 'qcow2', uri('aligned'), '32M']);
    const write = ['-c', 'write -P 0x77 0 8M', '-c', 'flush'];
    await succeed('qemu-io', ['-f', 'qcow2', ...write, uri('aligned')]);
    await succeed('qemu-io', ['-f', 'qcow2', '-c', 'read -P 0x77 0 8M', uri('aligned')]);
    await succeed('qemu-img', ['check', '-f', 'qcow2', uri('aligned')]);
  });

  test('grows a sparse image to the size of the export', async () => {
    const path = join(folder, 'sparse.img');
    writeFileSync(path, 'head');
    truncateSync(path, SIZE);
    await succeed('qemu-img', [
      'convert',
      '-n',
      '-W',
      '-m',
      '8',
      '-f',
      'raw',
      '-O',
      'raw',
      path,
      uri('disk'),
    ]);
    await succeed('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', path, uri('disk')]);
  });
});

describeWith([program('fio', 'fio')], 'fio, engine nbd, with data verification', () => {
  test.each([
    ['4k', '32', 'randwrite'],
    ['64k', '16', 'randrw'],
    ['1m', '4', 'write'],
  ])('blocks of %s, queue depth %s, %s', async (bs, depth, mode) => {
    await succeed(
      'fio',
      [
        ...[
          '--name=verify',
          '--ioengine=nbd',
          `--uri=${uri('disk')}`,
          `--rw=${mode}`,
          `--bs=${bs}`,
        ],
        ...['--size=32m', `--iodepth=${depth}`, '--verify=crc32c', '--verify_fatal=1'],
        ...['--randseed=7', '--output-format=terse'],
      ],
      { cwd: folder },
    );
  });
});
