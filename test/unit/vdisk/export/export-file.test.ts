import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type ExportFileOptions,
  type ExportProgress,
  exportFile,
} from '../../../../src/vdisk/export/index.ts';
import { SparseWriter } from '../../../../src/vdisk/export/sparse-writer.ts';
import {
  systemFolder,
  type TargetFile,
  type TargetFolder,
} from '../../../../src/vdisk/export/target-file.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { faultOf } from '../formats/read-image.ts';
import { type Chosen, options, sourceOf } from './export-disks.ts';

const K = 1024;
const M = 1024 * K;

const FORMATS: readonly [string, Chosen][] = [
  ['raw', { format: 'raw' }],
  ['qcow2', { format: 'qcow2', compress: false }],
  ['qcow2, zstd', { format: 'qcow2' }],
  ['VHD', { format: 'vhd' }],
];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder('export-file');
});
afterEach(() => folder.remove());

const at = (name: string): string => join(folder.path, name);

/** Every second MiB of the first 12 is full. */
function disk(): Buffer {
  const content = Buffer.alloc(15 * M + 512);
  for (let start = 0; start < 12 * M; start += 2 * M) {
    for (let word = start; word < start + M; word += 4) {
      content.writeUInt32LE((word * 2654435761) % 2 ** 32, word);
    }
  }
  return content;
}

const DISK = disk();

/** The system's folder, with files that are looked at or fail. */
function folderWith(
  change: (file: TargetFile) => Partial<TargetFile>,
): TargetFolder & { open: number } {
  const target = {
    open: 0,
    free: systemFolder.free,
    async create(path: string): Promise<TargetFile> {
      const file = await systemFolder.create(path);
      target.open += 1;
      let closed = false;
      return {
        write: file.write,
        truncate: file.truncate,
        sync: file.sync,
        ...change(file),
        close: async () => {
          if (!closed) target.open -= 1;
          closed = true;
          await file.close();
        },
      };
    },
  };
  return target;
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: the system says no`), { code });
}

const fileOptions = (chosen: Chosen & Partial<ExportFileOptions>): ExportFileOptions =>
  options(chosen);

describe.each(FORMATS)('a file of %s', (_name, chosen) => {
  it('is there under its name only when it is whole and durable', async () => {
    const events: string[] = [];
    const target = folderWith((file) => ({
      write: async (bytes, position) => {
        if (events.length === 0) events.push('write', ...(await readdir(folder.path)));
        await file.write(bytes, position);
      },
      sync: async () => {
        await file.sync();
        events.push('sync', ...(await readdir(folder.path)));
      },
    }));
    const made = await exportFile(sourceOf(DISK), at('disk'), fileOptions({ ...chosen, target }));
    expect(events).toEqual(['write', 'disk.partial', 'sync', 'disk.partial']);
    expect(await readdir(folder.path)).toEqual(['disk']);
    expect(made).toEqual({ path: at('disk'), length: (await stat(at('disk'))).size });
    expect(target.open).toBe(0);
  });

  it('is readable by its owner only', async () => {
    await exportFile(sourceOf(DISK), at('disk'), fileOptions(chosen));
    expect((await stat(at('disk'))).mode & 0o777).toBe(0o600);
  });

  it('refuses to replace a file, unless it is told to, and then replaces it last', async () => {
    await writeFile(at('disk'), 'precious');
    const fault = await faultOf(exportFile(sourceOf(DISK), at('disk'), fileOptions(chosen)));
    expect([fault.code, fault.details.field, fault.details.value]).toEqual([
      'ALREADY_EXISTS',
      'path',
      at('disk'),
    ]);
    expect(await readFile(at('disk'), 'utf8')).toBe('precious');
    let seen = '';
    const target = folderWith((file) => ({
      truncate: async (length) => {
        seen = await readFile(at('disk'), 'utf8');
        await file.truncate(length);
      },
    }));
    await exportFile(
      sourceOf(DISK),
      at('disk'),
      fileOptions({ ...chosen, overwrite: true, target }),
    );
    expect(seen).toBe('precious');
    expect((await stat(at('disk'))).size).toBeGreaterThan(8);
  });

  it('does not take a name that was taken while it was written', async () => {
    const target = folderWith((file) => ({
      sync: async () => {
        await file.sync();
        await writeFile(at('disk'), 'faster');
      },
    }));
    const made = exportFile(sourceOf(DISK), at('disk'), fileOptions({ ...chosen, target }));
    expect((await faultOf(made)).code).toBe('ALREADY_EXISTS');
    expect(await readdir(folder.path)).toEqual(['disk']);
    expect(await readFile(at('disk'), 'utf8')).toBe('faster');
  });

  it('leaves nothing when it is cancelled, wherever that is', async () => {
    for (const step of [1, 2, 4, 6]) {
      const controller = new AbortController();
      let steps = 0;
      const progress = () => {
        steps += 1;
        if (steps === step) controller.abort();
      };
      const target = folderWith(() => ({}));
      const { signal } = controller;
      const made = exportFile(
        sourceOf(DISK),
        at('disk'),
        fileOptions({ ...chosen, signal, progress, target }),
      );
      expect((await faultOf(made)).code).toBe('CANCELLED');
      expect(steps).toBe(step);
      expect(target.open).toBe(0);
      expect(await readdir(folder.path)).toEqual([]);
    }
    const signal = AbortSignal.abort();
    const never = exportFile(sourceOf(DISK), at('disk'), fileOptions({ ...chosen, signal }));
    expect((await faultOf(never)).code).toBe('CANCELLED');
  });

  it.each([
    ['ENOSPC', 'NO_SPACE'],
    ['EDQUOT', 'NO_SPACE'],
    ['EFBIG', 'NO_SPACE'],
    ['EIO', 'UNAVAILABLE'],
  ])('leaves nothing when the disk says %s, which is %s', async (code, expected) => {
    for (const call of ['write', 'truncate', 'sync'] as const) {
      let written = 0;
      const target = folderWith((file) => ({
        [call]: async (...given: [Buffer, number]) => {
          if (call === 'write' && written < 3 * M && chosen.compress === false) {
            written += given[0].length;
            await file.write(...given);
            return;
          }
          throw systemError(code);
        },
      }));
      const made = exportFile(sourceOf(DISK), at('disk'), fileOptions({ ...chosen, target }));
      const fault = await faultOf(made);
      expect([fault.code, fault.details.value]).toEqual([expected, at('disk.partial')]);
      expect(fault.message).toContain(code);
      expect(target.open).toBe(0);
      expect(await readdir(folder.path)).toEqual([]);
    }
  });

  it('tells its progress in bytes of the disk, forward to the end', async () => {
    const told: ExportProgress[] = [];
    const progress = (step: ExportProgress) => told.push(step);
    await exportFile(sourceOf(DISK), at('disk'), fileOptions({ ...chosen, progress }));
    const done = told.map(({ bytesDone }) => bytesDone);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.length).toBeGreaterThanOrEqual(6);
    expect(told.at(-1)).toEqual({ bytesDone: DISK.length, bytesTotal: DISK.length });
  });
});

describe('where a file goes', () => {
  const raw = (over: Partial<ExportFileOptions> = {}) => fileOptions({ format: 'raw', ...over });

  it.each<[string, string, string]>([
    ['no folder', 'nowhere/disk', 'NOT_FOUND'],
    ['a file for a folder', 'file/disk', 'INVALID_INPUT'],
    ['a folder for a file', 'folder', 'INVALID_INPUT'],
    ['a link', 'link', 'INVALID_INPUT'],
    ['no name', 'folder/', 'INVALID_INPUT'],
    ['a zero byte', 'a\0b', 'INVALID_INPUT'],
    ['a name that is too long', 'x'.repeat(300), 'INVALID_INPUT'],
  ])('refuses %s', async (_name, path, code) => {
    await writeFile(at('file'), '');
    await mkdir(at('folder'));
    await symlink(at('file'), at('link'));
    const before = await readdir(folder.path);
    const fault = await faultOf(
      exportFile(sourceOf(DISK), `${folder.path}/${path}`, raw({ overwrite: true })),
    );
    expect([fault.code, fault.details.field]).toEqual([code, 'path']);
    expect(await readdir(folder.path)).toEqual(before);
  });

  it('says so when it may not write there', async () => {
    const target = { ...systemFolder, create: () => Promise.reject(systemError('EACCES')) };
    const fault = await faultOf(exportFile(sourceOf(DISK), at('disk'), raw({ target })));
    expect(fault.code).toBe('PERMISSION_DENIED');
    expect(fault.message).toContain(at('disk'));
  });

  it('leaves the partial file of another export alone', async () => {
    await writeFile(at('disk.partial'), 'half');
    const made = exportFile(sourceOf(DISK), at('disk'), raw({ overwrite: true }));
    const fault = await faultOf(made);
    expect([fault.code, fault.details.value]).toEqual(['IN_USE', at('disk.partial')]);
    expect(await readFile(at('disk.partial'), 'utf8')).toBe('half');
  });

  it.each<[string, Chosen, number | undefined]>([
    ['raw', { format: 'raw' }, 6 * M],
    ['qcow2', { format: 'qcow2', compress: false }, 6 * M],
    ['VHD', { format: 'vhd' }, 6 * M],
    ['qcow2, zstd', { format: 'qcow2' }, undefined],
    [
      'VHD above a parent, told where to look',
      {
        format: 'vhd',
        parent: {
          source: sourceOf(Buffer.alloc(M)),
          fileName: 'p',
          changedChunks: Buffer.alloc(40, 0xff),
        },
      },
      6 * M,
    ],
    [
      'VHD above a parent',
      { format: 'vhd', parent: { source: sourceOf(Buffer.alloc(M)), fileName: 'p' } },
      undefined,
    ],
  ])('%s: refuses a folder that is too full before it writes', async (_name, chosen, bytes) => {
    const full = (free: number) => ({ ...systemFolder, free: async () => free });
    const least = (bytes ?? 0) + 16 * M;
    const attempt = (free: number) =>
      exportFile(sourceOf(DISK), at('disk'), fileOptions({ ...chosen, target: full(free) }));
    const fault = await faultOf(attempt(least - 1));
    expect(fault.code).toBe('NO_SPACE');
    expect(fault.message).toMatch(/needs up to \d+ bytes and has \d+ free/);
    expect(await readdir(folder.path)).toEqual([]);
    // What is known is not far from what it takes.
    const { length } = await attempt(least + 512 * K);
    expect(length).toBeGreaterThan(M);
  });
});

describe('a file that takes long', () => {
  it('is flushed now and then, not only at the end', async () => {
    const events: string[] = [];
    const target: TargetFile = {
      write: async () => undefined,
      truncate: async (length) => void events.push(`${length}`),
      sync: async () => void events.push('sync'),
      close: async () => undefined,
    };
    const writer = new SparseWriter(target, 'disk');
    const bytes = Buffer.alloc(2 * M, 1);
    for (let at = 0; at < 1000 * M; at += bytes.length) await writer.write(bytes, at);
    await writer.finish(1000 * M);
    expect(events).toEqual(['sync', 'sync', 'sync', `${1000 * M}`, 'sync']);
  });
});

describe('holes', () => {
  const allocated = async (): Promise<number> => (await stat(at('disk'))).blocks * 512;

  it('are where chunks are absent, and where 4 KiB of a chunk are zeroes', async () => {
    const content = Buffer.alloc(8 * M + 512);
    content.fill(1, 3 * M, 3 * M + 64 * K); // a whole chunk
    content.fill(2, 5 * M + 8 * K, 5 * M + 12 * K); // one block of a chunk
    content[6 * M + 20 * K + 7] = 3; // a byte of a block
    await exportFile(sourceOf(content), at('disk'), fileOptions({ format: 'raw' }));
    expect((await readFile(at('disk'))).equals(content)).toBe(true);
    // Whole chunks would be 192 KiB; some file systems need a little for themselves.
    expect(await allocated()).toBeLessThanOrEqual((64 + 4 + 4) * K + 64 * K);
  });

  it('are the whole of an empty disk', async () => {
    const empty = sourceOf(Buffer.alloc(100 * M));
    const made = await exportFile(empty, at('disk'), fileOptions({ format: 'raw' }));
    expect(made.length).toBe(100 * M);
    expect((await stat(at('disk'))).size).toBe(100 * M);
    expect(await allocated()).toBe(0);
  });

  it('are in the blocks of a VHD too', async () => {
    const content = Buffer.alloc(40 * M);
    for (let block = 0; block < content.length; block += 2 * M) content[block + M] = 1;
    const made = await exportFile(sourceOf(content), at('disk'), fileOptions({ format: 'vhd' }));
    expect(made.length).toBeGreaterThan(40 * M);
    expect(await allocated()).toBeLessThan(M);
  });
});
