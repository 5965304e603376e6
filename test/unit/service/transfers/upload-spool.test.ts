import { readdir, readFile, stat } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { type SpoolOptions, spool } from '../../../../src/service/transfers/upload-spool.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder('spool');
});
afterEach(() => folder.remove());

const keep = (
  pieces: AsyncIterable<Buffer>,
  options: Partial<SpoolOptions> = {},
  length?: number,
) =>
  spool(
    { pieces, length },
    {
      ...{ folder: folder.path, what: 'the upload', bytesMax: 1000, progress: () => undefined },
      signal: new AbortController().signal,
      ...options,
    },
  );

async function* pieces(...given: readonly (string | Error)[]): AsyncGenerator<Buffer> {
  for (const one of given) {
    if (one instanceof Error) throw one;
    yield Buffer.from(one);
  }
}

const expectNothing = async (): Promise<void> => expect(await readdir(folder.path)).toEqual([]);

describe('a stream that is kept', () => {
  test('is a file until it is removed', async () => {
    const done: number[] = [];
    const progress = (bytes: number): void => void done.push(bytes);
    const file = await keep(pieces('an ', '', 'image'), { progress });
    expect(await readFile(file.path, 'utf8')).toBe('an image');
    expect((await stat(file.path)).mode & 0o777).toBe(0o600);
    expect({ bytes: file.bytes, done }).toEqual({ bytes: 8, done: [3, 3, 8] });
    await file.remove();
    await file.remove();
    await expectNothing();
  });

  test('is nothing when it breaks off, and says why', async () => {
    const broken = keep(pieces('an ', new Fault('CANCELLED', 'the client went away')));
    await expect(broken).rejects.toMatchObject({ message: 'the client went away' });
    await expect(keep(pieces(new Error('a bug')))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expectNothing();
  });

  test('is refused when it is too long, said before or found on the way', async () => {
    let asked = false;
    async function* never(): AsyncGenerator<Buffer> {
      asked = true;
      yield Buffer.alloc(1);
    }
    await expect(keep(never(), {}, 1001)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(asked).toBe(false);
    const long = pieces('x'.repeat(600), 'x'.repeat(600));
    await expect(keep(long)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await expectNothing();
  });

  test('is refused when there is no room for what is said to come', async () => {
    const refused = keep(pieces('x'), { bytesMax: 2 ** 60 }, 2 ** 59);
    await expect(refused).rejects.toMatchObject({ code: 'NO_SPACE', details: { field: 'data' } });
    await expectNothing();
  });

  test('is given up also while nothing comes', async () => {
    const abort = new AbortController();
    const waiting = Promise.withResolvers<void>();
    async function* silent(): AsyncGenerator<Buffer> {
      yield Buffer.from('half');
      waiting.resolve();
      await new Promise(() => undefined); // for ever
    }
    const keeping = keep(silent(), { signal: abort.signal });
    await waiting.promise;
    abort.abort();
    await expect(keeping).rejects.toMatchObject({ code: 'CANCELLED' });
    await expectNothing();
    await expect(keep(pieces('x'), { signal: abort.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await expectNothing();
  });

  test('needs a folder', async () => {
    await folder.remove();
    await expect(keep(pieces('x'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
