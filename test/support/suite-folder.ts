import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/**
 * A folder for the tests of the suite in which this is called: there before the first, gone after the last. Where all of them
 * are skipped there never is one.
 */
export function suiteFolder(name: string): string {
  const path = join(tmpdir(), `rootcast-${name}-${randomBytes(4).toString('hex')}`);
  beforeAll(() => mkdir(path, { mode: 0o700 }));
  afterAll(() => rm(path, { recursive: true, force: true }));
  return path;
}
