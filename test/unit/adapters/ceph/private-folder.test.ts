import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { PrivateFolder } from '../../../../src/adapters/ceph/private-folder.ts';

const children: ChildProcess[] = [];
const ended = (child: ChildProcess): Promise<unknown> =>
  child.exitCode === null && child.signalCode === null
    ? new Promise((resolve) => child.once('exit', resolve))
    : Promise.resolve();

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await ended(child);
  }
});

/** Stands for a qemu-nbd: a process with these arguments. */
function start(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)', '--', ...args]);
  children.push(child);
  return child;
}

const text = { conf: '[global]\n', keyring: '[client.x]\n\tkey = secret\n', user: 'x' };

describe("a repository's folder on this server", () => {
  it('shows its secrets to nobody else, and goes away', async () => {
    const folder = await PrivateFolder.make('unit-test-modes', text);
    expect(statSync(folder.path).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder.path, 'keyring')).mode & 0o777).toBe(0o600);
    const conf = await readFile(folder.conf, 'utf8');
    expect(conf).toContain(`keyring = ${join(folder.path, 'keyring')}`);
    expect(conf).not.toContain('secret');
    await folder.remove();
    expect(existsSync(folder.path)).toBe(false);
  });

  it('of a dead service is cleared: its processes end, and their clients are named', async () => {
    const folder = await PrivateFolder.make('unit-test-dead', text);
    const server = start('--socket', folder.socketPath(1));
    const stranger = start('somebody', 'else');
    await folder.note(1, { pid: server.pid ?? 0, watchers: ['10.0.0.1:0/7', '10.0.0.1:0/8'] });
    await folder.note(2, { pid: stranger.pid ?? 0, watchers: ['10.0.0.1:0/9'] });
    // Alive: nothing of it is touched.
    expect(await PrivateFolder.clearDead('unit-test-dead')).toEqual([]);
    expect(existsSync(folder.path)).toBe(true);
    // Its process is gone, and another one has its pid.
    await writeFile(join(folder.path, 'owner'), `${process.pid} 1\n`);
    const watchers = await PrivateFolder.clearDead('unit-test-dead');
    expect([...watchers].sort()).toEqual(['10.0.0.1:0/7', '10.0.0.1:0/8', '10.0.0.1:0/9']);
    await ended(server);
    expect(server.signalCode).toBe('SIGKILL');
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    expect(existsSync(folder.path)).toBe(false);
  });

  it('is cleared of a process, too, that had just been started and was not noted yet', async () => {
    const folder = await PrivateFolder.make('unit-test-unnoted', text);
    const server = start(`--socket=${folder.socketPath(1)}`);
    await writeFile(join(folder.path, 'owner'), '');
    expect(await PrivateFolder.clearDead('unit-test-unnoted')).toEqual([]);
    await ended(server);
    expect(server.signalCode).toBe('SIGKILL');
  });

  it('of another repository is left alone', async () => {
    const folder = await PrivateFolder.make('unit-test-other', text);
    await writeFile(join(folder.path, 'owner'), '');
    expect(await PrivateFolder.clearDead('unit-test-mine')).toEqual([]);
    expect(existsSync(folder.path)).toBe(true);
    await folder.remove();
  });

  it('that holds notes which nobody can read is cleared too', async () => {
    const folder = await PrivateFolder.make('unit-test-notes', text);
    await writeFile(join(folder.path, 'owner'), '');
    await writeFile(join(folder.path, '1.json'), '{"pid": "x"');
    await mkdir(join(folder.path, 'more'));
    expect(await PrivateFolder.clearDead('unit-test-notes')).toEqual([]);
    expect(existsSync(join(tmpdir(), folder.path))).toBe(false);
  });
});
