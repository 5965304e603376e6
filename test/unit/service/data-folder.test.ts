import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { adminToken, openDataFolder } from '../../../src/service/data-folder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'rootcast-data-'));
const fresh = (): string => join(mkdtempSync(join(scratch, 'one-')), 'data');

afterAll(() => rmSync(scratch, { recursive: true }));

describe('data folder', () => {
  test('one service at a time', () => {
    const path = fresh();
    const first = openDataFolder(path);
    expect(() => openDataFolder(path)).toThrowError(expect.objectContaining({ code: 'IN_USE' }));
    first.unlock();
    openDataFolder(path).unlock();
  });

  test('volumes without their catalog are not taken for rubbish', () => {
    const path = fresh();
    const folder = openDataFolder(path);
    folder.unlock();
    openDataFolder(path).unlock(); // empty, never started: fine
    writeFileSync(join(folder.repository, 'someone.volume'), 'precious');
    const message = /catalog\.sqlite, which says whose they are, is gone/;
    expect(() => openDataFolder(path)).toThrowError(message);
    expect(() => openDataFolder(path)).toThrowError(message); // not IN_USE: it let go of the lock
    writeFileSync(folder.catalog, '');
    openDataFolder(path).unlock();
  });

  test('a path that is a file is refused by its field', () => {
    const path = fresh().replace(/data$/, 'file');
    writeFileSync(path, '');
    expect(() => openDataFolder(path)).toThrowError(
      expect.objectContaining({ details: expect.objectContaining({ field: 'data' }) }),
    );
  });

  test('the token is made once, kept, and readable by its owner only', () => {
    const folder = openDataFolder(fresh());
    const token = adminToken(folder, undefined);
    expect(token.length).toBeGreaterThanOrEqual(32);
    expect(adminToken(folder, undefined)).toBe(token);
    const path = join(folder.path, 'admin.token');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8').trim()).toBe(token);
    expect(adminToken(folder, 'given')).toBe('given');
    // As an environment file may hold it; the CLI trims it too, and a header could not carry it.
    expect(adminToken(folder, 'given\n')).toBe('given');
    expect(adminToken(folder, ' \n')).toBe(token);
    folder.unlock();
  });

  test('a token that cannot be read is told by its path, and is not replaced', () => {
    const folder = openDataFolder(fresh());
    const path = join(folder.path, 'admin.token');
    mkdirSync(path); // unreadable for root as well
    expect(() => adminToken(folder, undefined)).toThrowError(
      expect.objectContaining({ details: expect.objectContaining({ field: 'data', value: path }) }),
    );
    expect(statSync(path).isDirectory()).toBe(true);
    expect(adminToken(folder, 'given')).toBe('given');
    folder.unlock();
  });

  test('a token half made by a crash does not lend its mode to the next', () => {
    const folder = openDataFolder(fresh());
    writeFileSync(join(folder.path, 'admin.token.new'), 'half', { mode: 0o666 });
    adminToken(folder, undefined);
    expect(statSync(join(folder.path, 'admin.token')).mode & 0o777).toBe(0o600);
    folder.unlock();
  });
});
