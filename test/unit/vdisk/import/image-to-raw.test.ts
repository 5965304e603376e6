import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { imageToRaw } from '../../../../src/vdisk/index.ts';

const MIB = 1024 * 1024;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rootcast-raw-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const never = new AbortController().signal;
const request = (more: object = {}) => ({
  ...{ path: join(folder, 'image'), format: undefined, target: join(folder, 'raw') },
  ...{ reserveBytes: 0, temporaryFolder: folder, ...more },
});

/** 8 MiB and 100 bytes, with data at its beginning, in the middle and at its end. */
async function image(): Promise<Buffer> {
  await using file = await open(join(folder, 'image'), 'wx');
  await file.truncate(8 * MIB + 100);
  for (const at of [0, 3 * MIB + 7, 8 * MIB + 90])
    await file.write(Buffer.alloc(10, 65), 0, 10, at);
  return readFile(join(folder, 'image'));
}

test('an image is copied as it is, filled up to whole sectors, and its holes stay', async () => {
  const content = await image();
  let last = 0;
  await imageToRaw(
    request(),
    ({ bytesDone, bytesTotal }) => {
      expect(bytesTotal).toBe(8 * MIB + 512);
      last = bytesDone;
    },
    never,
  );
  const copy = await readFile(join(folder, 'raw'));
  expect(copy.length).toBe(8 * MIB + 512);
  expect(copy.subarray(0, content.length).equals(content)).toBe(true);
  expect(copy.subarray(content.length).every((byte) => byte === 0)).toBe(true);
  expect((await stat(join(folder, 'raw'))).blocks * 512).toBeLessThan(MIB);
  expect(last).toBe(8 * MIB + 512);
});

test.each([0, 10])('is all done at its end when zeroes follow %i bytes', async (dataBytes) => {
  await writeFile(join(folder, 'image'), Buffer.alloc(dataBytes, 65));
  await truncate(join(folder, 'image'), 64 * MIB);
  const told: number[] = [];
  await imageToRaw(request(), ({ bytesDone }) => told.push(bytesDone), never);
  expect(told.at(-1)).toBe(64 * MIB);
  expect((await stat(join(folder, 'raw'))).size).toBe(64 * MIB);
});

test('what cannot be copied is said', async () => {
  await image();
  const nothing = () => undefined;
  await expect(
    imageToRaw(request({ reserveBytes: 2 ** 60 }), nothing, never),
  ).rejects.toMatchObject({ code: 'NO_SPACE', details: { field: 'data' } });
  await expect(imageToRaw(request({ format: 'tar' }), nothing, never)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    details: { field: 'format', value: 'tar' },
  });
  await expect(imageToRaw(request(), nothing, AbortSignal.abort())).rejects.toMatchObject({
    code: 'CANCELLED',
  });
  await writeFile(join(folder, 'image'), '');
  await expect(imageToRaw(request(), nothing, never)).rejects.toMatchObject({
    code: 'IMAGE_INVALID',
  });
});
