import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nfsAdapter } from '../../../../src/adapters/nfs/index.ts';
import type { ArrayControl, ArrayRef, CreateVolume } from '../../../../src/repositories/index.ts';
import type { Misdeed, SeenCall } from '../../../support/nfs-fake-server.ts';
import { codeOf, NfsBench, QUIET } from './bench.ts';

const PARTS = { log: QUIET, clock: () => performance.now() * 20 };
const SIGNAL = new AbortController().signal;
const WISH: CreateVolume = { opId: 'o', tag: 't1', name: 'disk', size: 4096, thin: true };

describe('the control port of an NFS repository', () => {
  let bench: NfsBench;
  const open: ArrayControl[] = [];

  beforeEach(async () => {
    bench = await new NfsBench().start();
  });
  afterEach(async () => {
    bench.server.misdeed = () => undefined;
    for (const control of open.splice(0)) await control.close();
    await bench.stop();
  });

  async function attach(
    options: { create?: boolean; takeOver?: boolean } = { create: true },
    more: { initiatorName?: string; repositoryId?: string; patience?: number } = {},
  ): Promise<ArrayControl> {
    const { patience, ...rest } = more;
    const base = bench.connection(patience === undefined ? {} : { patience });
    const connection = { ...base, ...rest };
    const control = await nfsAdapter.attach(connection, PARTS, { ...options, signal: SIGNAL });
    open.push(control);
    return control;
  }

  const names = (): string[] => [...bench.server.files.keys()].sort();
  const MARKER = 'rootcast-repository.json';

  /** The call of this number, counted from now, goes wrong. */
  function fail(number: number, misdeed: Misdeed, forEver = false): { readonly calls: number } {
    const state = { calls: 0 };
    bench.server.misdeed = ({ procedure }: SeenCall) => {
      if (procedure === 'null') return undefined;
      state.calls += 1;
      const now = forEver ? state.calls >= number : state.calls === number;
      return now ? misdeed : undefined;
    };
    return state;
  }

  describe('makes a volume once, whatever call', () => {
    it.each<[string, Misdeed]>([
      ['is answered to nobody', { kind: 'close', execute: true }],
      ['is not executed', { kind: 'close', execute: false }],
      ['is put off', { kind: 'status', status: 10_008 }],
    ])('%s', async (_, misdeed) => {
      const control = await attach();
      const calls = fail(Number.POSITIVE_INFINITY, misdeed);
      await control.createVolume(WISH);
      const needed = calls.calls;
      expect(needed).toBeGreaterThan(8);
      for (let number = 1; number <= needed; number += 1) {
        const tag = `tag${number}`;
        fail(number, misdeed);
        const made = await control.createVolume({ ...WISH, tag, name: tag });
        expect(made, `call ${number}`).toMatchObject({ tag, size: 4096, thin: true });
        bench.server.misdeed = () => undefined;
        expect(await control.findVolume({ tag })).toEqual(made);
      }
      const { items } = await control.listVolumes({ ownedOnly: true });
      expect(items.length).toBe(needed + 1);
      expect(names().length).toBe(2 * (needed + 1) + 1); // no left-overs
    });
  });

  it('completes a volume whose maker died, wherever that was', async () => {
    const first = await attach();
    const calls = fail(Number.POSITIVE_INFINITY, { kind: 'ignore' });
    await first.createVolume({ ...WISH, tag: 'x', name: 'x' });
    const needed = calls.calls;
    for (let number = 1; number <= needed; number += 1) {
      const tag = `tag${number}`;
      const dying = await attach({});
      const state = fail(number, { kind: 'close', execute: number % 2 === 0 }, true);
      const creating = codeOf(() => dying.createVolume({ ...WISH, tag, name: tag }));
      while (state.calls < number) await new Promise((done) => setTimeout(done, 1));
      await dying.close();
      expect(['UNKNOWN_OUTCOME', 'UNREACHABLE']).toContain(await creating);
      bench.server.misdeed = () => undefined;
      const living = await attach({});
      const made = await living.createVolume({ ...WISH, tag, name: tag });
      expect(made).toMatchObject({ tag, size: 4096 });
      expect(bench.server.files.get(`${tag}.volume`)?.now.length).toBe(4096);
    }
  });

  it('deletes a volume once and for all, whatever answer is lost', async () => {
    const control = await attach();
    let ref: ArrayRef = (await control.createVolume(WISH)).ref;
    const calls = fail(Number.POSITIVE_INFINITY, { kind: 'ignore' });
    await control.deleteVolume({ opId: 'd', ref });
    const needed = calls.calls;
    for (let number = 1; number <= needed; number += 1) {
      ({ ref } = await control.createVolume(WISH));
      fail(number, { kind: 'close', execute: true });
      await control.deleteVolume({ opId: 'd', ref });
      bench.server.misdeed = () => undefined;
      expect(names(), `call ${number}`).toEqual([MARKER]);
      await control.deleteVolume({ opId: 'd', ref });
    }
  });

  it('does not delete what has the name of a volume that is gone', async () => {
    const control = await attach();
    const { ref } = await control.createVolume(WISH);
    await control.deleteVolume({ opId: 'd', ref });
    const other = await control.createVolume({ ...WISH, tag: 't2' });
    await control.deleteVolume({ opId: 'd', ref });
    expect(await control.findVolume({ tag: 't2' })).toEqual(other);
    expect(await control.findVolume({ ref })).toBeUndefined();
  });

  it('says UNKNOWN_OUTCOME when it cannot find out', async () => {
    const control = await attach({ create: true }, { patience: 10 });
    bench.server.misdeed = ({ procedure }) =>
      procedure === 'create' ? { kind: 'ignore' } : undefined;
    expect(await codeOf(() => control.createVolume(WISH))).toBe('UNKNOWN_OUTCOME');
    bench.server.misdeed = () => undefined;
    expect(await control.createVolume(WISH)).toMatchObject({ tag: 't1' });
  });

  it.each<[string, number]>([
    ['PERMISSION_DENIED', 13],
    ['NO_SPACE', 28],
    ['QUOTA', 69],
    ['BACKEND_BUG', 4711],
  ])('says %s for status %i, and leaves nothing that stands in the way', async (code, status) => {
    const control = await attach();
    bench.server.misdeed = ({ procedure }) =>
      procedure === 'setattr' ? { kind: 'status', status } : undefined;
    expect(await codeOf(() => control.createVolume(WISH))).toBe(code);
    bench.server.misdeed = () => undefined;
    expect(await control.createVolume(WISH)).toMatchObject({ tag: 't1' });
  });

  it('refuses names, sizes and references that are none', async () => {
    const control = await attach();
    for (const name of ['', '.', '../x', 'a/b', 'ü', 'x'.repeat(300)]) {
      expect(await codeOf(() => control.createVolume({ ...WISH, name }))).toBe('INVALID_ARGUMENT');
    }
    for (const size of [0, -1, 1.5, Number.NaN, 2 ** 60]) {
      expect(await codeOf(() => control.createVolume({ ...WISH, size }))).toBe('OUT_OF_RANGE');
    }
    for (const nativeId of ['../x.volume', MARKER, '.x.volume', '']) {
      const ref: ArrayRef = { kind: 'volume', nativeId, name: 'x' };
      expect(await control.findVolume({ ref })).toBeUndefined();
      await control.deleteVolume({ opId: 'd', ref });
      expect(await codeOf(() => control.adoptVolume({ opId: 'a', ref, tag: 't' }))).toBe(
        'NOT_FOUND',
      );
    }
    expect(names()).toEqual([MARKER]);
  });

  it('adopts a foreign image, and lets it go as it was', async () => {
    bench.server.add('old.img', Buffer.alloc(1000, 1));
    const control = await attach();
    const [image] = (await control.listVolumes({ ownedOnly: false })).items;
    if (image === undefined) throw new Error('it is not listed');
    expect(image).toMatchObject({ tag: undefined, size: 1000 });
    const adopted = await control.adoptVolume({ opId: 'a', ref: image.ref, tag: 't9' });
    expect(await control.adoptVolume({ opId: 'a', ref: image.ref, tag: 't9' })).toEqual(adopted);
    expect(await codeOf(() => control.adoptVolume({ opId: 'b', ref: image.ref, tag: 't8' }))).toBe(
      'ALREADY_MANAGED',
    );
    await control.releaseVolume({ opId: 'r', ref: image.ref });
    await control.releaseVolume({ opId: 'r', ref: image.ref });
    expect(await control.findVolume({ tag: 't9' })).toBeUndefined();
    expect(bench.server.files.get('old.img')?.now.equals(Buffer.alloc(1000, 1))).toBe(true);
  });

  it('lists many volumes in pages', async () => {
    for (let at = 0; at < 450; at += 1) bench.server.add(`f${at}.raw`, Buffer.alloc(0));
    const control = await attach();
    const seen: string[] = [];
    for (
      let cursor: string | undefined, first = true;
      first || cursor !== undefined;
      first = false
    ) {
      const more = cursor === undefined ? {} : { cursor };
      const page = await control.listVolumes({ ownedOnly: false, ...more });
      seen.push(...page.items.map(({ ref }) => ref.nativeId));
      cursor = page.cursor;
    }
    expect(new Set(seen).size).toBe(450);
    expect(seen.length).toBe(450);
  });

  describe('belongs to one server', () => {
    it('and to one repository', async () => {
      await attach();
      expect(await codeOf(() => attach({ create: true }, { repositoryId: 'r2' }))).toBe(
        'ALREADY_MANAGED',
      );
      expect(await codeOf(() => attach({}, { repositoryId: 'r2' }))).toBe('ALREADY_MANAGED');
    });

    it('that has made it', async () => {
      expect(await codeOf(() => attach({}))).toBe('NOT_FOUND');
      bench.server.add('a.volume', Buffer.alloc(8));
      bench.server.add('a.volume.json', Buffer.from('{}'));
      expect(await codeOf(() => attach())).toBe('ALREADY_MANAGED');
    });

    it('that attaches it again after an interrupted making', async () => {
      bench.server.add(MARKER, Buffer.alloc(0));
      await attach();
      await attach({});
      await attach();
    });

    it('until another takes it over; then nothing is destroyed any more', async () => {
      const control = await attach();
      const { ref } = await control.createVolume(WISH);
      const two = { initiatorName: 'iqn.test:two' };
      expect(await codeOf(() => attach({}, two))).toBe('EXCLUSIVE_ATTACHED');
      const other = await attach({ takeOver: true }, two);
      expect(await codeOf(() => control.deleteVolume({ opId: 'd', ref }))).toBe('FENCED');
      expect(await codeOf(() => control.createVolume({ ...WISH, tag: 'n', name: 'n' }))).toBe(
        'FENCED',
      );
      expect(await codeOf(() => control.resizeVolume({ opId: 'r', ref, size: 9999 }))).toBe(
        'FENCED',
      );
      expect(await other.findVolume({ ref })).toMatchObject({ tag: 't1', size: 4096 });
      expect((await control.health()).state).toBe('failed');
      expect((await other.health()).state).toBe('good');
    });
  });

  it('is cancelled while it attaches', async () => {
    bench.server.misdeed = () => ({ kind: 'ignore' });
    const abort = new AbortController();
    const attaching = nfsAdapter.attach(bench.connection(), PARTS, { signal: abort.signal });
    abort.abort();
    expect(await codeOf(() => attaching)).toBe('CANCELLED');
  });

  it('finds servers in steps, and says what lies there', async () => {
    const { repositoryId: _, ...connection } = bench.connection();
    const probe = (more: object) =>
      nfsAdapter.probe(
        { ...connection, settings: { ...connection.settings, ...more } },
        PARTS,
        SIGNAL,
      );
    expect(await probe({ server: '' })).toMatchObject({ step: 'address', choose: 'server' });
    expect(await probe({ serverpath: '' })).toMatchObject({
      step: 'pool',
      choose: 'serverpath',
      found: [{ value: '/fake', description: 'for everybody' }],
    });
    const before = (await probe({})).found[0];
    expect(before).toMatchObject({ value: '/fake', size: 2 ** 40 });
    expect(before).not.toHaveProperty('holds');
    await attach();
    expect((await probe({})).found[0]?.holds).toEqual({ repositoryId: 'r1' });
    expect(await codeOf(() => probe({ port: 1, mountPort: 1 }))).toBe('UNREACHABLE');
    expect(await codeOf(() => probe({ nfsversion: '5' }))).toBe('INVALID_ARGUMENT');
  });

  it('opens no file that is another one than it was', async () => {
    const control = await attach();
    const made = await control.createVolume(WISH);
    const data = bench.data();
    await (await data.open(made.locator, { write: true })).close();
    bench.server.files.delete('disk.volume');
    expect(await codeOf(() => data.open(made.locator, { write: true }))).toBe('ESTALE');
    bench.server.add('disk.volume', Buffer.alloc(4096));
    expect(await codeOf(() => data.open(made.locator, { write: true }))).toBe('ESTALE');
    const evil = { ...made.locator, address: { path: '../disk.volume' } };
    expect(await codeOf(() => data.open(evil, { write: false }))).toBe('EINVAL');
  });

  it('is as large as it was until the zeroes of its new size are there', async () => {
    const control = await attach();
    const thick = { ...WISH, thin: false, size: 64 * 1024 };
    const volume = await control.createVolume(thick);
    const size = 9 * 2 ** 20; // more than is written between two looks
    const open = async (): Promise<number> => {
      const device = await bench.data().open(volume.locator, { write: true });
      const { size: seen } = device.geometry;
      await device.close();
      return seen;
    };
    const looks: Promise<readonly (number | undefined)[]>[] = [];
    const look = async () => {
      const found = await control.findVolume({ ref: volume.ref });
      return [found?.size, await open()];
    };
    const progress = (fraction: number): void => {
      if (fraction < 1) looks.push(look());
    };
    const grown = await control.resizeVolume({ opId: 'r', ref: volume.ref, size }, { progress });
    expect(looks.length).toBeGreaterThan(0);
    for (const seen of await Promise.all(looks)) expect(seen).toEqual([volume.size, volume.size]);
    expect(grown.size).toBe(size);
    expect(await open()).toBe(size);
    // Cancelled on the way it is as it was, and can be grown again.
    const stop = new AbortController();
    const growing = control.resizeVolume(
      { opId: 'r', ref: volume.ref, size: 2 * size },
      { signal: stop.signal, progress: () => stop.abort() },
    );
    expect(await codeOf(() => growing)).toBe('CANCELLED');
    expect((await control.findVolume({ ref: volume.ref }))?.size).toBe(size);
    expect(await open()).toBe(size);
    const again = await control.resizeVolume({ opId: 'r', ref: volume.ref, size: size + 4096 });
    expect(again.size).toBe(size + 4096);
  });

  it('is attached by two processes of one name at once, or by one of them; never for nothing', async () => {
    for (let times = 0; times < 4; times += 1) {
      const all = await Promise.all([attach(), attach(), attach()]);
      for (const control of all) expect((await control.health()).state).toBe('good');
    }
  });

  it('writes the whole of a thick volume, also when it grows, and stops when it is told to', async () => {
    const control = await attach();
    const fractions: number[] = [];
    const thick = { ...WISH, thin: false, size: 300_000 };
    const progress = (fraction: number): void => void fractions.push(fraction);
    const { ref } = await control.createVolume(thick, { progress });
    const written = (): number =>
      bench.server.seen.reduce(
        (sum, { procedure, count }) => (procedure === 'write' ? sum + count : sum),
        0,
      );
    expect(fractions.at(-1)).toBe(1);
    expect(written()).toBeGreaterThanOrEqual(300_032);
    const before = written();
    expect((await control.resizeVolume({ opId: 'r', ref, size: 600_000 })).size).toBe(600_064);
    expect(written() - before).toBeGreaterThanOrEqual(300_032);
    const abort = new AbortController();
    abort.abort();
    const more = { ...thick, tag: 't5', name: 'five' };
    expect(await codeOf(() => control.createVolume(more, { signal: abort.signal }))).toBe(
      'CANCELLED',
    );
    expect(await control.findVolume({ tag: 't5' })).toBeUndefined();
    expect(names().filter((name) => name.startsWith('five'))).toEqual([]);
  });
});
