/** The NFS adapter against nfs-ganesha, by versions 3 and 4.0; libnfs's programs look at the same files. */
import { randomBytes } from 'node:crypto';
import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nfsAdapter } from '../../../src/adapters/nfs/index.ts';
import type { Time } from '../../../src/adapters/nfs/rpc/time.ts';
import { nfsSettings } from '../../../src/adapters/nfs/settings.ts';
import { NfsVolumeData } from '../../../src/adapters/nfs/volume-data.ts';
import { type BlockDevice, FUA, PLAIN, PLAIN_ZERO } from '../../../src/block/index.ts';
import { ArrayError, BlockError } from '../../../src/errors/index.ts';
import type { ArrayControl, Connection, VolumeData } from '../../../src/repositories/index.ts';
import { describeBlockDevice } from '../../compliance/block-device.ts';
import { BreakingLine } from '../../support/breaking-line.ts';
import { Ganesha } from '../../support/nfs-ganesha.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';
import { SEED, seededRandom } from '../../support/seed.ts';

const NEEDS = [
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
  program('nfs-cat', 'libnfs-utils'),
  program('ip', 'iproute2'),
  program('mkfs.ext4', 'e2fsprogs'),
  root(),
];

const PARTS = {
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  clock: () => performance.now(),
};
const SIGNAL = new AbortController().signal;

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ArrayError) return error.code;
    if (error instanceof BlockError) return error.errno;
    throw error;
  }
  return 'settled';
}

describeWith(NEEDS, 'the NFS adapter and nfs-ganesha', () => {
  let ganesha: Ganesha;

  beforeAll(async () => {
    ganesha = await Ganesha.start();
  });
  afterAll(() => ganesha?.stop());

  function connection(
    version: string,
    share: 'export' | 'small' | 'denied' = 'export',
  ): Connection {
    const { server, port, mountPort } = ganesha;
    const serverpath = version === '3' ? ganesha.path(share) : `/${share}`;
    const settings = { server, port, mountPort, serverpath, nfsversion: version, patience: 40 };
    return { repositoryId: 'r1', settings, secrets: {}, initiatorName: 'iqn.test:one' };
  }

  function attach(to: Connection): Promise<ArrayControl> {
    return nfsAdapter.attach(to, PARTS, { create: true, signal: SIGNAL });
  }

  describe.each(['3', '4'])('version %s', (version) => {
    let control: ArrayControl;
    let data: VolumeData;
    let made = 0;

    beforeAll(async () => {
      control = await attach(connection(version));
      data = nfsAdapter.openData(connection(version), PARTS, async (asked) =>
        control.answer?.(asked),
      );
    });
    afterAll(async () => {
      await data?.close?.();
      await control?.close();
    });

    async function volume(size: number, thin = true) {
      made += 1;
      const name = `v${version}-${made}`;
      return control.createVolume({ opId: name, tag: name, name, size, thin });
    }

    async function device(size: number): Promise<BlockDevice> {
      return data.open((await volume(size)).locator, { write: true });
    }

    describeBlockDevice(`an NFSv${version} volume`, async () => {
      const made = await volume(1024 * 1024);
      const opened = await data.open(made.locator, { write: true });
      const content = Buffer.alloc(made.size);
      seededFill(content.subarray(0, 700_000));
      await opened.write(content.subarray(0, 700_000), 0, PLAIN);
      const dispose = () => control.deleteVolume({ opId: 'd', ref: made.ref });
      return { device: opened, content, dispose };
    });

    it('finds the export, and the repository in it', async () => {
      const { serverpath: _, ...settings } = connection(version).settings;
      const exports = await nfsAdapter.probe({ ...connection(version), settings }, PARTS, SIGNAL);
      expect(exports).toMatchObject({ step: 'pool', choose: 'serverpath' });
      const path = connection(version).settings['serverpath'];
      expect(exports.found.map(({ value }) => value)).toContain(path);
      const ready = await nfsAdapter.probe(connection(version), PARTS, SIGNAL);
      expect(ready.step).toBe('ready');
      expect(ready.found[0]?.holds).toEqual({ repositoryId: 'r1' });
      expect(ready.found[0]?.size).toBeGreaterThan(1e9);
    });

    it('asks the port mapper where it has no ports', async () => {
      const { port: _, mountPort: __, ...settings } = connection('3').settings;
      const ready = await nfsAdapter.probe({ ...connection('3'), settings }, PARTS, SIGNAL);
      expect(ready.step).toBe('ready');
    });

    it('is refused an export that is not for it', async () => {
      const denied = await codeOf(attach(connection(version, 'denied')));
      expect(['PERMISSION_DENIED', 'NOT_FOUND']).toContain(denied);
      if (version === '3') expect(denied).toBe('PERMISSION_DENIED');
    });

    it('keeps random changes like a model, and libnfs and the server see the same', async () => {
      const random = seededRandom(SEED + Number(version));
      const made = await volume(4 * 1024 * 1024);
      const opened = await data.open(made.locator, { write: true });
      const model = Buffer.alloc(made.size);
      for (let round = 0; round < 40; round += 1) {
        await Promise.all(
          Array.from({ length: 16 }, async (_, lane) => {
            const width = made.size / 16;
            const offset = lane * width + Math.floor(random() * width);
            const length = 1 + Math.floor(random() * ((lane + 1) * width - offset - 1));
            if (random() < 0.2) {
              model.fill(0, offset, offset + length);
              await opened.zero(offset, length, PLAIN_ZERO);
              return;
            }
            const bytes = Buffer.alloc(length);
            seededFill(bytes, random);
            bytes.copy(model, offset);
            await opened.write(bytes, offset, random() < 0.1 ? FUA : PLAIN);
          }),
        );
      }
      await opened.flush();
      const back = Buffer.alloc(made.size);
      await opened.read(back, 0);
      expect(back.equals(model)).toBe(true);
      await opened.close();
      const path = join(ganesha.path(), String(made.locator.address['path']));
      expect((await readFile(path)).equals(model)).toBe(true);
      // Debian's libnfs cannot use version 4 for more than a few bytes.
      const url = `nfs://127.0.0.1${path}?version=3&nfsport=${ganesha.port}&mountport=${ganesha.mountPort}`;
      const copy = join(ganesha.path(), 'copy.raw');
      await succeed('ip', ['netns', 'exec', ganesha.namespace, 'nfs-cp', url, copy]);
      expect((await readFile(copy)).equals(model)).toBe(true);
      await rm(copy);
    });

    it('loses nothing that was written when the server is killed before COMMIT', async () => {
      const made = await volume(8 * 1024 * 1024);
      const opened = await data.open(made.locator, { write: true });
      const content = Buffer.alloc(8 * 1024 * 1024);
      seededFill(content);
      for (let at = 0; at < content.length; at += 256 * 1024) {
        await opened.write(content.subarray(at, at + 256 * 1024), at, PLAIN);
      }
      await ganesha.kill();
      // The kernel still has what the server wrote; a host that died with it would not.
      const path = join(ganesha.path(), String(made.locator.address['path']));
      await truncate(path, 0);
      await truncate(path, content.length);
      const again = ganesha.restart();
      await opened.flush();
      await again;
      const back = Buffer.alloc(content.length);
      await opened.read(back, 0);
      expect(back.equals(content)).toBe(true);
      await opened.close();
    });

    it('answers everything when the server is killed under load', async () => {
      const random = seededRandom(SEED + 10 * Number(version));
      const size = 16 * 1024 * 1024;
      const opened = await device(size);
      const model = Buffer.alloc(size);
      let stop = false;
      let done = 0;
      const lane = async (index: number): Promise<void> => {
        const width = size / 16;
        while (!stop) {
          const offset = index * width + Math.floor(random() * (width - 8192));
          const bytes = randomBytes(1 + Math.floor(random() * 8191));
          bytes.copy(model, offset);
          await opened.write(bytes, offset, random() < 0.05 ? FUA : PLAIN);
          const back = Buffer.alloc(bytes.length);
          await opened.read(back, offset);
          expect(back.equals(bytes)).toBe(true);
          if (random() < 0.05) await opened.flush();
          done += 1;
        }
      };
      const lanes = Promise.all(Array.from({ length: 16 }, (_, index) => lane(index)));
      for (let kill = 0; kill < 2; kill += 1) {
        const before = done;
        while (done < before + 300) await sleep(5);
        await ganesha.restart();
      }
      const before = done;
      while (done < before + 300) await sleep(5);
      stop = true;
      await lanes;
      await opened.flush();
      const back = Buffer.alloc(size);
      await opened.read(back, 0);
      expect(back.equals(model)).toBe(true);
      await opened.close();
    });

    it('makes everything once and loses nothing on a line that breaks all the time', async () => {
      const random = seededRandom(SEED + 30 * Number(version));
      const { server: host, port } = ganesha;
      const line = new BreakingLine({ host, port }, () => 500 + Math.floor(random() * 60_000));
      const to = connection(version);
      // MOUNT goes to the server itself.
      const near = { port: await line.listen(), server: '127.0.0.1', rsize: 16_384 };
      const settings = { ...to.settings, ...near };
      const mount = await connectedMount(version, settings);
      const broken = { ...to, settings: { ...settings, ...mount.settings } };
      const over = await nfsAdapter.attach(broken, PARTS, { signal: SIGNAL });
      const lineData = nfsAdapter.openData(broken, PARTS, async (asked) => over.answer?.(asked));
      try {
        for (let number = 0; number < 6; number += 1) {
          const tag = `line${version}-${number}`;
          const wish = { opId: tag, tag, name: tag, size: 262_144, thin: true };
          const made = await over.createVolume(wish);
          expect(made).toMatchObject({ tag, size: 262_144, thin: true });
          const opened = await lineData.open(made.locator, { write: true });
          const content = Buffer.alloc(made.size);
          seededFill(content, random);
          await Promise.all(
            Array.from({ length: 16 }, (_, at) =>
              opened.write(content.subarray(at * 16_384, (at + 1) * 16_384), at * 16_384, PLAIN),
            ),
          );
          await opened.flush();
          const back = Buffer.alloc(made.size);
          await opened.read(back, 0);
          expect(back.equals(content)).toBe(true);
          await opened.close();
          if (number % 2 === 0) await over.deleteVolume({ opId: 'd', ref: made.ref });
        }
        const { items } = await over.listVolumes({ ownedOnly: true });
        const left = items.flatMap(({ ref }) => (ref.name.startsWith('line') ? [ref.name] : []));
        expect(left.filter((name) => name.startsWith(`line${version}`)).length).toBe(3);
        expect(line.breaks).toBeGreaterThan(20);
      } finally {
        await lineData.close?.();
        await over.close();
        await mount.close();
        await line.close();
      }
    });

    /** A way to MOUNT for a client that goes to another address for NFS. */
    async function connectedMount(which: string, settings: Connection['settings']) {
      if (which === '4') return { settings, close: async () => undefined };
      const { server: host, mountPort } = ganesha;
      const through = new BreakingLine({ host, port: mountPort }, () => Number.POSITIVE_INFINITY);
      const port = await through.listen();
      return { settings: { mountPort: port }, close: () => through.close() };
    }

    it('says that a full file system is full, and that a removed file is gone', async () => {
      const small = { ...connection(version, 'small'), repositoryId: `small${version}` };
      await rm(join(ganesha.path('small'), 'rootcast-repository.json'), { force: true });
      const full = await attach(small);
      const tag = `full${version}`;
      const wish = { opId: tag, tag, name: tag, size: 64 * 1024 * 1024 };
      expect(await codeOf(full.createVolume({ ...wish, thin: false }))).toBe('NO_SPACE');
      expect(await full.findVolume({ tag })).toBeUndefined();
      const thin = await full.createVolume({ ...wish, thin: true });
      const port = nfsAdapter.openData(small, PARTS, async (asked) => full.answer?.(asked));
      const opened = await port.open(thin.locator, { write: true });
      const fill = async (): Promise<void> => {
        for (let at = 0; at < wish.size; at += 1024 * 1024) {
          await opened.write(Buffer.alloc(1024 * 1024, 1), at, PLAIN);
        }
        await opened.flush();
      };
      expect(await codeOf(fill())).toBe('ENOSPC');
      await full.deleteVolume({ opId: 'x', ref: thin.ref });
      const target = Buffer.alloc(512);
      expect(await codeOf(Promise.resolve().then(() => opened.read(target, 0)))).toBe(
        version === '3' ? 'ESTALE' : 'settled', // version 4 keeps what is open
      );
      await opened.close().catch(() => undefined);
      await port.close?.();
      await full.close();
      await rm(join(ganesha.path('small'), 'rootcast-repository.json'), { force: true });
    });

    it('goes on when the server has ended its lease, where there are leases', async () => {
      // Of this client no timer of a lease ever ends, so that it does not renew.
      const time: Time = {
        now: () => performance.now(),
        after: (milliseconds, run) => {
          const timer = milliseconds === 1000 ? undefined : setTimeout(run, milliseconds);
          return () => clearTimeout(timer);
        },
      };
      const settings = nfsSettings(connection(version).settings);
      const { log } = PARTS;
      const ask = async (question: unknown) => control.answer?.(question);
      const port = new NfsVolumeData({ settings, time, random: Math.random, log, ask });
      const made = await volume(65_536);
      const opened = await port.open(made.locator, { write: true });
      await opened.write(Buffer.alloc(4096, 1), 0, PLAIN);
      if (version === '4') await ganesha.outlastLeases();
      await opened.write(Buffer.alloc(4096, 2), 4096, PLAIN);
      await opened.flush();
      const back = Buffer.alloc(8192);
      await opened.read(back, 0);
      expect(back.equals(Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(4096, 2)]))).toBe(true);
      await opened.close();
      await port.close();
    });

    it('keeps the rules of the control port', async () => {
      const tag = `rules${version}`;
      const wish = { opId: 'o1', tag, name: tag, size: 1_000_001, thin: true };
      const first = await control.createVolume(wish);
      expect(first).toMatchObject({ tag, size: 1_000_448, thin: true, allocated: 0 });
      expect((await control.createVolume(wish)).ref).toEqual(first.ref);
      expect(await codeOf(control.createVolume({ ...wish, size: 5_000_000 }))).toBe(
        'ALREADY_EXISTS_DIFFERENT',
      );
      expect(await codeOf(control.createVolume({ ...wish, tag: 'other' }))).toBe(
        'ALREADY_EXISTS_DIFFERENT',
      );
      const grown = await control.resizeVolume({ opId: 'o2', ref: first.ref, size: 2_000_000 });
      expect(grown.size).toBe(2_000_384);
      const shrink = control.resizeVolume({ opId: 'o3', ref: first.ref, size: 1000 });
      expect(await codeOf(shrink)).toBe('SHRINK_REFUSED');
      const thick = await volume(3 * 1024 * 1024, false);
      expect(thick.allocated).toBeGreaterThanOrEqual(3 * 1024 * 1024);

      await writeFile(join(ganesha.path(), `foreign${version}.raw`), Buffer.alloc(4096, 7));
      const all = await control.listVolumes({ ownedOnly: false });
      const foreign = all.items.find(({ ref }) => ref.nativeId === `foreign${version}.raw`);
      if (foreign === undefined) throw new Error('the foreign image is not listed');
      expect(foreign.tag).toBeUndefined();
      const adopted = await control.adoptVolume({
        opId: 'o4',
        ref: foreign.ref,
        tag: `f${version}`,
      });
      expect(adopted.tag).toBe(`f${version}`);
      const owned = await control.listVolumes({ ownedOnly: true });
      expect(owned.items.map((item) => item.tag)).toEqual(
        expect.arrayContaining([tag, `f${version}`]),
      );
      await control.releaseVolume({ opId: 'o5', ref: foreign.ref });
      expect(await control.findVolume({ tag: `f${version}` })).toBeUndefined();
      expect((await stat(join(ganesha.path(), `foreign${version}.raw`))).size).toBe(4096);

      await control.deleteVolume({ opId: 'o6', ref: first.ref });
      await control.deleteVolume({ opId: 'o6', ref: first.ref });
      expect(await control.findVolume({ ref: first.ref })).toBeUndefined();
      expect(await control.health()).toMatchObject({ state: 'good' });
    });

    it('stops when another server has taken the repository over', async () => {
      const other = { ...connection(version), initiatorName: 'iqn.test:two' };
      expect(await codeOf(nfsAdapter.attach(other, PARTS, { signal: SIGNAL }))).toBe(
        'EXCLUSIVE_ATTACHED',
      );
      const taken = await nfsAdapter.attach(other, PARTS, { takeOver: true, signal: SIGNAL });
      expect(await codeOf(volume(4096))).toBe('FENCED');
      await taken.close();
      const back = await nfsAdapter.attach(connection(version), PARTS, {
        takeOver: true,
        signal: SIGNAL,
      });
      await control.close();
      control = back;
    });
  });
});

function seededFill(bytes: Buffer, random: () => number = seededRandom()): void {
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Math.floor(random() * 256);
}
