/** Every server of the benchmark starts, serves what it says it serves, and leaves nothing behind. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type RunningTarget, TARGETS, type Target } from '../../bench/targets/index.ts';
import type { Access } from '../../bench/workloads.ts';
import { connectNbd } from '../../src/nbd/index.ts';
import { describeWith, file, program } from '../support/requires.ts';

const IMAGE_BYTES = 8 * 2 ** 20;
const MACHINES = 3;
const READ_BYTES = 65_536;
/** Divides neither the image nor any server's blocks. */
const PIECE_BYTES = 15 * 4096;
const WRITE_BYTES = 4096;
const OFFSET = 2 ** 20;

const needs = [
  program('cc', 'gcc'),
  file('/usr/include/stdio.h', 'libc6-dev'),
  program('nbdkit', 'nbdkit'),
  program('nbdcopy', 'libnbd-bin'),
  program('qemu-nbd', 'qemu-utils'),
  program('qemu-storage-daemon', 'qemu-system-common'),
  program('nbd-server', 'nbd-server'),
];

/** Process ids of the tree below `root`, itself first. */
function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = commandOf(Number(name), 'stat');
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const tree = [root];
  for (const member of tree) {
    tree.push(...[...parents].flatMap(([pid, parent]) => (parent === member ? [pid] : [])));
  }
  return tree;
}

function commandOf(pid: number, what: 'stat' | 'cmdline' = 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'latin1');
  } catch {
    return ''; // it is gone
  }
}

/** Processes that still run and have the folder in their command line. */
const usersOf = (folder: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => commandOf(Number(name)))
    .filter((command) => command.includes(folder));

async function readAt(uri: string, offset: number, length: number): Promise<Buffer> {
  const client = await connectNbd(uri);
  try {
    const target = Buffer.alloc(length);
    await client.read(target, offset);
    return target;
  } finally {
    await client.disconnect();
  }
}

describeWith(needs, 'the servers of the benchmark', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-targets-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const image = join(folder, 'image.raw');
  const bytes = randomBytes(IMAGE_BYTES);
  writeFileSync(image, bytes);
  const imageAt = (offset: number, length: number) => bytes.subarray(offset, offset + length);

  /** All of it, many requests at once. */
  async function checkImage({ uri }: RunningTarget): Promise<void> {
    const client = await connectNbd(uri(0));
    try {
      const found = Buffer.alloc(IMAGE_BYTES);
      const offsets = Array.from(
        { length: Math.ceil(IMAGE_BYTES / PIECE_BYTES) },
        (_, at) => at * PIECE_BYTES,
      );
      await Promise.all(offsets.map((at) => client.read(found.subarray(at, at + PIECE_BYTES), at)));
      expect(found.equals(bytes)).toBe(true);
    } finally {
      await client.disconnect();
    }
  }

  async function checkWrites({ uri }: RunningTarget, access: Access): Promise<void> {
    const written = randomBytes(WRITE_BYTES);
    // nbd-server's overlay ends with the connection, so what it wrote must be read there.
    const client = await connectNbd(uri(0));
    try {
      await client.write(written, OFFSET, { fua: false });
      if (access === 'persistent') await client.flush();
      const back = Buffer.alloc(WRITE_BYTES);
      await client.read(back, OFFSET);
      expect(back.equals(written)).toBe(true);
      if (access === 'overlay') return;
      const last = await readAt(uri(MACHINES - 1), OFFSET, READ_BYTES);
      expect(last.equals(imageAt(OFFSET, READ_BYTES))).toBe(true);
    } finally {
      await client.disconnect();
    }
    if (access !== 'persistent') return;
    expect((await readAt(uri(0), OFFSET, WRITE_BYTES)).equals(written)).toBe(true);
  }

  async function check(target: Target, access: Access): Promise<void> {
    const scratch = join(folder, `${target.id}-${access}`);
    mkdirSync(scratch);
    const machines = access === 'machines' || access === 'persistent' ? MACHINES : 1;
    const running = await target.start({ image, scratch, access, machines });
    let tree: number[];
    try {
      await checkImage(running);
      if (access !== 'image') await checkWrites(running, access);
      const requests = await running.originRequests?.();
      if (requests !== undefined) expect(requests).toBeGreaterThan(0);
      tree = treeOf(running.pid);
      expect(commandOf(running.pid)).not.toBe('');
    } finally {
      await running.stop();
    }
    expect(tree.filter((pid) => commandOf(pid) !== '')).toEqual([]);
    expect(usersOf(scratch)).toEqual([]);
    expect(readFileSync(image).equals(bytes)).toBe(true);
  }

  it.each(TARGETS.flatMap((target) => target.accesses.map((access) => ({ target, access }))))(
    '$target.id serves for $access, apart for each machine, and leaves nothing',
    async ({ target, access }) => {
      expect(target.missing).toBeUndefined();
      expect(target.version()).toMatch(/\d/);
      await check(target, access);
    },
  );

  it('have names that differ', () => {
    const ids = TARGETS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
