/** A file that cannot have its space is as it was, and says why. */
import { chmod, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { allocateFile } from '../../../../src/adapters/tgt/allocate.ts';
import { codeOf } from '../../../support/carved.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { until } from '../../../support/until.ts';

const BEFORE = 8192;
const SIZE = 65_536;
const LONGER = 'truncate -s 1000000 "$5"';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;

beforeAll(async () => {
  folder = await temporaryFolder('tgt-allocate');
  file = join(folder.path, 'volume');
  vi.stubEnv('PATH', `${folder.path}:${process.env['PATH']}`);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await folder.remove();
});

/** A fallocate that does this; `$5` is the file. */
async function program(lines: string): Promise<void> {
  const path = join(folder.path, 'fallocate');
  await writeFile(path, `#!/bin/sh\n${lines}\n`);
  await chmod(path, 0o755);
  await writeFile(file, Buffer.alloc(BEFORE, 1));
}

const wanted = { before: BEFORE, size: SIZE, thin: false, signal: undefined };
const size = async (): Promise<number> => (await stat(file)).size;

it.each([
  ['NO_SPACE', 'No space left on device'],
  ['QUOTA', 'Disk quota exceeded'],
  ['OUT_OF_RANGE', 'File too large'],
  ['UNSUPPORTED', 'Operation not supported'],
  ['BACKEND_BUG', 'Input/output error'],
])('%s: %s', async (code, said) => {
  await program(`${LONGER}; echo "fallocate: fallocate failed: ${said}" >&2; exit 1`);
  expect(await codeOf(allocateFile(file, wanted))).toBe(code);
  expect(await size()).toBe(BEFORE);
});

it('a program that takes too long is not a full disk', async () => {
  await program(`${LONGER}; exec sleep 60`);
  expect(await codeOf(allocateFile(file, { ...wanted, timeoutMs: 100 }))).toBe('TIMEOUT');
  expect(await size()).toBe(BEFORE);
});

it('one that is cancelled leaves nothing', async () => {
  await program(`${LONGER}; exec sleep 60`);
  const stop = new AbortController();
  const allocating = codeOf(allocateFile(file, { ...wanted, signal: stop.signal }));
  await until('it has begun', async () => (await size()) > BEFORE);
  stop.abort();
  expect(await allocating).toBe('CANCELLED');
  expect(await size()).toBe(BEFORE);
});

it('one that has its space is as long as it is to be, and no longer before', async () => {
  await program('stat -c %s "$5" > "$5.seen"');
  await allocateFile(file, wanted);
  expect(await size()).toBe(SIZE);
  expect(String(await (await import('node:fs/promises')).readFile(`${file}.seen`))).toBe(
    `${BEFORE}\n`,
  );
});
