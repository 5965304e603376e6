import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { streamToFile, type WholeFileOptions } from '../../../../src/vdisk/export/index.ts';
import { systemFolder } from '../../../../src/vdisk/export/target-file.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder('whole-file');
});
afterEach(() => folder.remove());

const at = (name: string): string => join(folder.path, name);

async function* pieces(...texts: readonly (string | Error)[]): AsyncGenerator<Buffer> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
  }
}

const write = (stream: AsyncIterable<Buffer>, options: Partial<WholeFileOptions> = {}) =>
  streamToFile(stream, at('b'), { signal: new AbortController().signal, ...options });

describe('a stream as a file', () => {
  it('is whole, and its owner’s alone', async () => {
    await expect(write(pieces('one ', '', 'two'))).resolves.toEqual({ path: at('b'), length: 7 });
    expect(await readFile(at('b'), 'utf8')).toBe('one two');
    expect((await stat(at('b'))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder.path)).toEqual(['b']);
  });

  it('takes the place of another only if it may, and only when it is whole', async () => {
    await writeFile(at('b'), 'before');
    await expect(write(pieces('after'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const broken = write(pieces('aft', new Fault('IMAGE_INVALID', 'broken')), { overwrite: true });
    await expect(broken).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    expect(await readFile(at('b'), 'utf8')).toBe('before');
    await write(pieces('after'), { overwrite: true });
    expect(await readFile(at('b'), 'utf8')).toBe('after');
    expect(await readdir(folder.path)).toEqual(['b']);
  });

  it('is nothing when it is cancelled in the middle', async () => {
    const abort = new AbortController();
    async function* endless(): AsyncGenerator<Buffer> {
      for (let count = 0; ; count += 1) {
        if (count === 3) abort.abort();
        yield Buffer.from('x');
      }
    }
    const writing = write(endless(), { signal: abort.signal });
    await expect(writing).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('is not begun on a disk that is full, and does not touch what another is writing', async () => {
    const full = { ...systemFolder, free: async () => 1000 };
    await expect(write(pieces('x'), { target: full })).rejects.toMatchObject({ code: 'NO_SPACE' });
    await writeFile(at('b.partial'), 'another’s');
    await expect(write(pieces('x'))).rejects.toMatchObject({ code: 'IN_USE' });
    expect(await readdir(folder.path)).toEqual(['b.partial']);
  });
});
