/** The arrays' own replication as control sees it, over two simulated arrays. */
import { describe, expect, it } from 'vitest';
import { ArrayError } from '../../../../src/errors/index.ts';
import type { ArrayControl, ArrayLink, ArrayRef } from '../../../../src/repositories/index.ts';
import { arrayLinks } from '../../../../src/service/replication/array-links.ts';
import { STUCK_LOOKS } from '../../../../src/service/replication/limits.ts';
import { arrayHandle, LAYERS } from '../../../../src/service/storage/handles.ts';

const ref = (nativeId: string): ArrayRef => ({ kind: 'volume', nativeId, name: 'db' });
const locator = { adapter: 'x', volume: 'db', address: {} };
const volume = (repositoryId: string) => ({
  ...{ repositoryId, volumeId: 'v' },
  handle: arrayHandle({ tag: 'v', ref: ref(`${repositoryId}-db`), locator }),
});

interface Side {
  readonly peers: readonly string[];
  readonly promote?: () => ArrayLink;
  readonly copies?: readonly string[];
  /** What it finds by a ref or a tag. */
  readonly found?: object;
  /** What its array says of every volume; undefined: it is in no link. */
  readonly role?: ArrayLink['role'] | undefined;
}

const link = (role: ArrayLink['role'], state: ArrayLink['state']): ArrayLink => ({
  ...{ ref: { ...ref('link'), kind: 'link' as const }, volume: ref('db'), role, state },
  ...{ description: 'up+replaying', lastSyncAt: 7 },
});

function arraysOf(sides: Readonly<Record<string, Side | undefined>>) {
  const calls: unknown[] = [];
  const arrays = {
    has: (id: string) => id in sides,
    of: (id: string) => {
      const side = sides[id];
      const act = (name: string, state: ArrayLink) => async (request: unknown) => {
        calls.push([name, request]);
        return state;
      };
      const replication = side && {
        site: id,
        peers: async () => side.peers,
        enable: act('enable', link('primary', 'initializing')),
        disable: async () => void calls.push(['disable']),
        status: async () => (side.role === undefined ? undefined : link(side.role, 'in-sync')),
        syncNow: async () => {
          calls.push(['sync']);
          return 7;
        },
        promote: async () => side.promote?.() ?? link('primary', 'in-sync'),
        demote: act('demote', link('secondary', 'demoted')),
        resync: act('resync', link('secondary', 'syncing')),
      };
      const array = {
        replication,
        info: { capabilities: { replicateGroup: 'no' } },
        findVolume: async () => side?.found,
        listVolumes: async () => ({
          items: (side?.copies ?? []).map((nativeId) => ({
            ...{ ref: ref(nativeId), tag: undefined, size: 4096, thin: true, wwid: undefined },
            locator,
          })),
          cursor: undefined,
        }),
      };
      return { array: array as unknown as ArrayControl };
    },
  };
  return { arrays, calls };
}

describe('links between arrays', () => {
  it('are there where both have replication, and know each other', async () => {
    const { arrays } = arraysOf({
      a: { peers: ['b'] },
      b: { peers: ['a'] },
      c: { peers: [] },
      d: undefined,
    });
    const links = arrayLinks(arrays);
    expect(await links.obstacle('a', 'b', [volume('a')])).toBeUndefined();
    expect(await links.obstacle('c', 'b', [volume('c')])).toMatch(/do not replicate/);
    expect(await links.obstacle('a', 'd', [volume('a')])).toMatch(/do not replicate/);
    expect(await links.obstacle('a', 'gone', [volume('a')])).toMatch(/do not replicate/);
    await expect(links.enable(volume('d'))).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('tell role, state and moment, and call the array by its own name', async () => {
    const { arrays, calls } = arraysOf({
      a: { peers: ['b'], copies: [], role: 'primary' },
      b: { peers: ['a'] },
    });
    const links = arrayLinks(arrays);
    expect(await links.enable(volume('a'))).toMatchObject({ state: 'initializing' });
    expect(calls).toMatchObject([['enable', { volume: ref('a-db'), opId: expect.any(String) }]]);
    expect(await links.status(volume('a'))).toEqual({
      ...{ role: 'primary', state: 'in-sync', description: 'up+replaying', syncedAt: 7 },
    });
    expect(await links.status(volume('b'))).toBeUndefined();
  });

  it('wait while a demotion is on its way, and say so when it never comes', async () => {
    let early = 3;
    const promote = (): ArrayLink => {
      early -= 1;
      if (early > 0) throw new ArrayError('DEMOTION_NOT_PROPAGATED', 'not yet');
      return link('primary', 'in-sync');
    };
    let waited = 0;
    const wait = async (): Promise<void> => {
      waited += 1;
    };
    const { arrays } = arraysOf({ b: { peers: ['a'], promote } });
    const links = arrayLinks(arrays, wait);
    expect(await links.promote(volume('b'), { force: false })).toMatchObject({ role: 'primary' });
    expect(waited).toBe(2);
    early = 1e9;
    const never = links.promote(volume('b'), { force: false });
    await expect(never).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('adopt the copy that the arrays have made, once it is there', async () => {
    const keep = (stored: { readonly size: number; readonly handle: object }) => stored;
    const target = { repositoryId: 'b', volumeId: 'copy' };
    const none = arrayLinks(arraysOf({ b: { peers: ['a'] } }).arrays);
    expect(await none.adoptCopy(volume('a'), target, keep)).toBeUndefined();
    const copy = { peers: ['a'], copies: ['b-copy'], role: 'secondary' } as const;
    const there = arrayLinks(arraysOf({ b: copy }).arrays);
    const kept = await there.adoptCopy(volume('a'), target, keep);
    expect(kept).toMatchObject({ size: 4096, handle: { ref: { nativeId: 'b-copy' } } });
  });

  it.each([undefined, 'primary'] as const)(
    'leave what only has the same name to whoever has it (its link: %s)',
    async (role) => {
      const stranger = { peers: ['a'], copies: ['somebody-elses'], role };
      const links = arrayLinks(arraysOf({ b: stranger }).arrays);
      const target = { repositoryId: 'b', volumeId: 'copy' };
      expect(await links.adoptCopy(volume('a'), target, (stored) => stored)).toBeUndefined();
    },
  );

  it.each([
    ['linked clone', [volume('a')], { parent: ref('base') }],
    ['one volume at a time', [volume('a'), volume('a')], {}],
    ['layers', [{ ...volume('a'), handle: LAYERS }], {}],
  ])('are refused for volumes that an array cannot replicate: %s', async (why, volumes, found) => {
    const { arrays } = arraysOf({ a: { peers: ['b'], found }, b: { peers: ['a'] } });
    expect(await arrayLinks(arrays).obstacle('a', 'b', volumes)).toContain(why);
  });

  it('find the copy by the tag of the original, whatever its volume is called here', async () => {
    const found = { ...{ ref: ref('b-copy'), tag: 'v', size: 4096, thin: true }, locator };
    const target = { repositoryId: 'b', volumeId: 'copy' };
    const keep = (stored: object) => stored;
    const copy = arrayLinks(arraysOf({ b: { peers: ['a'], found, role: 'secondary' } }).arrays);
    expect(await copy.adoptCopy(volume('a'), target, keep)).toMatchObject({ size: 4096 });
    // What was released by an earlier replication has the tag, and is no copy.
    const own = arrayLinks(arraysOf({ b: { peers: ['a'], found, role: undefined } }).arrays);
    expect(await own.adoptCopy(volume('a'), target, keep)).toBeUndefined();
  });

  it('wait until a moment has arrived, and no longer than anything may arrive', async () => {
    const { signal } = new AbortController();
    const well = arrayLinks(arraysOf({ b: { peers: ['a'], role: 'secondary' } }).arrays);
    await well.arrived(volume('b'), 7, signal);
    let looks = 0;
    const wait = async (): Promise<void> => {
      looks += 1;
    };
    const never = arrayLinks(arraysOf({ b: { peers: ['a'] } }).arrays, wait);
    const waiting = never.arrived(volume('b'), 7, signal);
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(looks).toBe(STUCK_LOOKS);
    const cancelled = well.arrived(volume('b'), 8, AbortSignal.abort(new Error('enough')));
    await expect(cancelled).rejects.toThrow('enough');
  });
});
