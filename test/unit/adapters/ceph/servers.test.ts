/** Keeping qemu-nbd processes, with a cluster and a qemu-nbd that do what the test says. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../../../../src/adapters/ceph/cluster.ts';
import type { Images } from '../../../../src/adapters/ceph/images.ts';
import { Ownership } from '../../../../src/adapters/ceph/ownership.ts';
import { PrivateFolder } from '../../../../src/adapters/ceph/private-folder.ts';
import { Servers } from '../../../../src/adapters/ceph/servers.ts';
import { ArrayError } from '../../../../src/errors/index.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Greets whoever connects, as qemu-nbd does when it has the image open, and notes its pid. */
const FAKE = `#!${process.execPath}
const { appendFileSync } = require('node:fs');
const path = process.argv.find((each) => each.startsWith('--socket=')).slice(9);
appendFileSync(process.env.PATH.split(':')[0] + '/pids', process.pid + '\\n');
require('node:net').createServer((socket) => socket.on('error', () => 0).end('NBDMAGIC')).listen(path);
process.on('SIGTERM', () => process.exit(0));
`;

describe('the servers of a pool', () => {
  const path = process.env['PATH'] ?? '';
  let programs: string;
  let remove: () => Promise<void>;
  let folder: PrivateFolder;
  let servers: Servers;
  /** What the cluster was asked, in order. */
  let events: string[];
  let looks: number;
  let watchersFail: boolean;
  let onWatchers: () => Promise<void>;
  let ours: () => Promise<void>;

  beforeEach(async () => {
    const temporary = await temporaryFolder('servers');
    remove = temporary.remove;
    programs = join(temporary.path, 'programs');
    await mkdir(programs);
    await writeFile(join(programs, 'qemu-nbd'), FAKE);
    await chmod(join(programs, 'qemu-nbd'), 0o755);
    process.env['PATH'] = `${programs}:${path}`;
    folder = await PrivateFolder.make('unit-servers', { conf: '', keyring: undefined, user: 'x' });
    events = [];
    looks = 0;
    watchersFail = false;
    onWatchers = async () => undefined;
    ours = async () => undefined;
    const images = {
      byId: async (id: string) => ({ id, name: 'image', size: 512, primary: undefined }),
      // Every second look finds the one that was started in between.
      watchers: async () => {
        looks += 1;
        if (looks % 2 === 1) return [];
        events.push(`opened by client ${looks / 2}`);
        await onWatchers();
        if (watchersFail) throw new ArrayError('TIMEOUT', 'no answer');
        return [`client ${looks / 2}`];
      },
    };
    const cluster = {
      folder,
      pool: 'rbd',
      settings: { user: 'x' },
      block: async (addresses: readonly string[]) => {
        events.push(`block ${addresses.join()}`);
      },
    };
    servers = new Servers(cluster as unknown as Cluster, images as unknown as Images, LOG, () =>
      ours(),
    );
  });
  afterEach(async () => {
    await servers.close();
    expect(await running()).toEqual([]);
    process.env['PATH'] = path;
    await folder.remove();
    await remove();
  });

  async function pids(): Promise<number[]> {
    const text = await readFile(join(programs, 'pids'), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean).map(Number);
  }

  async function running(): Promise<number[]> {
    return (await pids()).filter((pid) => {
      try {
        process.kill(pid, 0);
        return true;
      } catch {
        return false;
      }
    });
  }

  it('fence a process that died before another one opens the image, whoever notices', async () => {
    await servers.open('i1', undefined);
    for (const pid of await running()) process.kill(pid, 'SIGKILL');
    while ((await running()).length > 0) await new Promise((done) => setTimeout(done, 1));
    await servers.open('i1', undefined);
    expect(events).toEqual(['opened by client 1', 'block client 1', 'opened by client 2']);
  });

  it('leave no process behind whose client of the cluster they could not learn', async () => {
    watchersFail = true;
    await expect(servers.open('i1', undefined)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(await pids()).toHaveLength(1);
    expect(await running()).toEqual([]);
    watchersFail = false;
    expect(await servers.open('i1', undefined)).toMatchObject({ generation: 1 });
  });

  it('ask whose pool it is when they have the image open, and give it to nobody if it is not ours', async () => {
    ours = async () => {
      events.push('whose?');
      throw new ArrayError('FENCED', 'taken over');
    };
    await expect(servers.open('i1', undefined)).rejects.toMatchObject({ code: 'FENCED' });
    expect(events).toEqual(['opened by client 1', 'whose?']);
    expect(await running()).toEqual([]);
  });

  it('end a process that is being started while they are closed', async () => {
    let closing: Promise<void> | undefined;
    onWatchers = async () => {
      closing ??= servers.close();
    };
    await expect(servers.open('i1', undefined)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await closing;
    expect(await running()).toEqual([]);
  });
});

describe('who takes a pool over', () => {
  it('owns it only when the other one is cut off, however often it has to begin anew', async () => {
    const meta = new Map([
      ['rootcast.repository', 'r'],
      ['rootcast.owner', 'one'],
    ]);
    const blocked: string[] = [];
    let refuses = true;
    const images = {
      byName: async () => ({}),
      meta: async () => new Map(meta),
      setMeta: async (_: string, key: string, value: string) => void meta.set(key, value),
      names: async () => ['image'],
      watchers: async () => ['client of one'],
    } as unknown as Images;
    const cluster = {
      place: 'rbd',
      block: async (addresses: readonly string[]) => {
        if (refuses) throw new ArrayError('UNREACHABLE', 'no monitor');
        blocked.push(...addresses);
      },
    } as unknown as Cluster;
    const take = (server: string, takeOver: boolean) =>
      Ownership.take(cluster, images, { repositoryId: 'r', server }, { takeOver });
    const one = await take('one', false);
    await expect(take('two', true)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await expect(one.check()).rejects.toMatchObject({ code: 'FENCED' });
    await expect(take('two', false)).rejects.toMatchObject({ code: 'EXCLUSIVE_ATTACHED' });
    refuses = false;
    const two = await take('two', true);
    expect(blocked).toEqual(['client of one']);
    await two.check();
    // Another repository that made the pool its own at the same time.
    meta.set('rootcast.repository', 'other');
    await expect(two.check()).rejects.toMatchObject({ code: 'FENCED' });
  });
});
