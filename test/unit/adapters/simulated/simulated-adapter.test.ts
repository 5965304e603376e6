import { describe, expect, test } from 'vitest';
import { SimulatedWorld, simulatedAdapter } from '../../../../src/adapters/simulated/index.ts';
import { PLAIN } from '../../../../src/block/index.ts';
import type { Connection, HostIdentity } from '../../../../src/repositories/index.ts';
import { failure, outcome, present } from '../../../compliance/array/bench.ts';
import { askOf, INITIATOR, QUIET, SimulatedPeers } from '../../../support/simulated-arrays.ts';

const { signal } = new AbortController();
const host: HostIdentity = { name: 'this-host', iqns: [INITIATOR], addresses: [] };
const wanted = { opId: 'a', tag: 'a', name: 'a', size: 1024 * 1024, thin: true };

describe('attaching a simulated array', () => {
  const connection: Connection = {
    repositoryId: 'ours',
    settings: { target: 'one' },
    secrets: {},
    initiatorName: INITIATOR,
  };

  test('is found step by step, and says whose it is', async () => {
    const world = new SimulatedWorld();
    const adapter = simulatedAdapter(world);
    const nothing = { settings: {}, secrets: {}, initiatorName: INITIATOR };
    world.array('one');
    const systems = await adapter.probe(nothing, QUIET, signal);
    expect(systems).toMatchObject({ step: 'system', choose: 'target', found: [{ value: 'one' }] });
    await adapter.attach(connection, QUIET, { create: true, signal });
    const ready = await adapter.probe(connection, QUIET, signal);
    expect(ready).toMatchObject({ step: 'ready', found: [{ holds: { repositoryId: 'ours' } }] });
  });

  test('takes it once, and again only for the same repository and server', async () => {
    const adapter = simulatedAdapter();
    const attach = (changed: Partial<Connection>, options: object = {}) =>
      outcome(adapter.attach({ ...connection, ...changed }, QUIET, { ...options, signal }));
    expect(await attach({})).toBe('NOT_FOUND');
    expect(await attach({}, { create: true })).toBe('done');
    expect(await attach({}, { create: true })).toBe('done');
    expect(await attach({})).toBe('done');
    expect(await attach({ repositoryId: 'theirs' }, { create: true })).toBe('ALREADY_MANAGED');
    expect(await attach({ initiatorName: 'iqn.other' })).toBe('EXCLUSIVE_ATTACHED');
    expect(await attach({ settings: {} })).toBe('INVALID_ARGUMENT');
    expect(await attach({ settings: { target: 'one', without: ['nonsense'] } })).toBe(
      'INVALID_ARGUMENT',
    );
    expect(await attach({ settings: { target: 'one', faults: ['nonsense'] } })).toBe(
      'INVALID_ARGUMENT',
    );
  });

  test('taken over by another server the old one changes nothing any more', async () => {
    const adapter = simulatedAdapter();
    const old = await adapter.attach(connection, QUIET, { create: true, signal });
    const data = adapter.openData(connection, QUIET, askOf(old));
    const volume = await old.createVolume(wanted);
    const device = await data.open(volume.locator, { write: true });
    await device.write(Buffer.alloc(512, 1), 0, PLAIN);
    const other = { ...connection, initiatorName: 'iqn.other' };
    const fresh = await adapter.attach(other, QUIET, { takeOver: true, signal });
    expect(await outcome(old.createVolume({ ...wanted, tag: 'b', name: 'b' }))).toBe('FENCED');
    const write = async (): Promise<void> => device.write(Buffer.alloc(512, 2), 0, PLAIN);
    await expect(write()).rejects.toMatchObject({ errno: 'ESTALE' });
    await expect(data.open(volume.locator, { write: false })).rejects.toMatchObject({
      name: 'BlockError',
    });
    expect(await fresh.findVolume({ tag: 'a' })).toMatchObject({ ref: volume.ref });
    await old.close();
    expect(await outcome(fresh.deleteVolume({ opId: 'd', ref: volume.ref }))).toBe('done');
  });
});

describe('a simulated array', () => {
  test('is full when its memory is, for each port in its words', async () => {
    const { control, data } = await new SimulatedPeers().attach({ capacity: 1024 * 1024 });
    const size = 4 * 1024 * 1024;
    const thick = { ...wanted, tag: 't', name: 't', size, thin: false };
    expect(await outcome(control.createVolume(thick))).toBe('NO_SPACE');
    expect(await control.findVolume({ tag: 't' })).toBeUndefined();
    const thin = await control.createVolume({ ...wanted, size });
    const device = await data.open(thin.locator, { write: true });
    await device.write(Buffer.alloc(1024 * 1024, 1), 0, PLAIN);
    const more = async (): Promise<void> => device.write(Buffer.alloc(512, 1), 2 ** 21, PLAIN);
    await expect(more()).rejects.toMatchObject({ name: 'BlockError', errno: 'ENOSPC' });
    expect((await control.space())?.free).toBe(0);
    await device.trim(0, 1024 * 1024, PLAIN);
    await more();
  });

  test('lets in who it is mapped to, as it is mapped, with the right password', async () => {
    const peers = new SimulatedPeers();
    const masked = { enforceMasking: true, chapuser: 'me' };
    const { control } = await peers.attach(masked);
    const { ref, locator } = await control.createVolume(wanted);
    const masking = present(control.masking, 'masking');
    const open = (write: boolean, password?: string) => {
      const secrets = password === undefined ? {} : { chappassword: password };
      const connection = { ...peers.connection(masked), secrets };
      return simulatedAdapter()
        .openData(connection, QUIET, askOf(control))
        .open(locator, { write });
    };
    await expect(open(false)).rejects.toMatchObject({ errno: 'EPERM' });
    const chap = { user: 'me', password: 'open sesame' };
    await masking.map({ opId: 'm', volume: ref, host, mode: 'ro', chap });
    await expect(open(false)).rejects.toMatchObject({ errno: 'EPERM' });
    await expect(open(false, 'wrong')).rejects.toMatchObject({ errno: 'EPERM' });
    await expect(open(true, chap.password)).rejects.toMatchObject({ errno: 'EROFS' });
    await (await open(false, chap.password)).close();
    const shown = JSON.stringify(await masking.listMappings({}));
    expect(shown).not.toContain(chap.password);
  });

  test('gives a full clone up in the middle, with nothing left of it', async () => {
    const { control, data } = await new SimulatedPeers().attach();
    const { ref: source, locator } = await control.createVolume(wanted);
    const device = await data.open(locator, { write: true });
    await device.write(Buffer.alloc(1024 * 1024, 1), 0, PLAIN);
    await device.close();
    const before = await control.space();
    const giveUp = new AbortController();
    const clone = present(control.clones, 'clones').clone(
      { opId: 'c', tag: 'c', name: 'c', source, kind: 'full' },
      { signal: giveUp.signal, progress: () => giveUp.abort() },
    );
    expect(await outcome(clone)).toBe('CANCELLED');
    expect(await control.findVolume({ tag: 'c' })).toBeUndefined();
    expect(await control.space()).toEqual(before);
  });

  test('gives each host numbers of its own, and an initiator to one host', async () => {
    const { control } = await new SimulatedPeers().attach();
    const masking = present(control.masking, 'masking');
    const luns: (number | undefined)[] = [];
    for (const name of ['a', 'b', 'c']) {
      const { ref } = await control.createVolume({ ...wanted, tag: name, name });
      luns.push((await masking.map({ opId: name, volume: ref, host, mode: 'rw' })).lun);
    }
    expect(luns).toEqual([0, 1, 2]);
    const { ref } = present(await control.findVolume({ tag: 'a' }), 'a volume');
    const thief = { ...host, name: 'thief' };
    const error = await failure(masking.map({ opId: 't', volume: ref, host: thief, mode: 'rw' }));
    expect(error).toMatchObject({ code: 'INITIATOR_CONFLICT', details: { refs: ['this-host'] } });
  });

  test('tells of portals that are down, and opens nothing without any', async () => {
    const peers = new SimulatedPeers();
    const { control, data } = await peers.attach();
    const { locator } = await control.createVolume(wanted);
    const { pathsDown } = peers.world.array('one');
    pathsDown.add('sim-a');
    expect(await control.health()).toMatchObject({
      state: 'degraded',
      messages: ['portal sim-a does not answer'],
    });
    await (await data.open(locator, { write: true })).close();
    pathsDown.add('sim-b');
    expect((await control.health()).state).toBe('failed');
    await expect(data.open(locator, { write: true })).rejects.toMatchObject({ errno: 'ETIMEDOUT' });
  });

  test('reverts once for one wish, however often it is told', async () => {
    const { control, data } = await new SimulatedPeers().attach();
    const { ref: volume, locator } = await control.createVolume(wanted);
    const snapshots = present(control.snapshots, 'snapshots');
    const of = [{ volume, tag: 's', name: 's' }];
    const [made] = await snapshots.createSnapshots({ opId: 's', of });
    const revert = { opId: 'once', volume, snapshot: present(made, 'a snapshot').ref };
    await snapshots.revert?.(revert);
    const device = await data.open(locator, { write: true });
    await device.write(Buffer.alloc(512, 7), 0, PLAIN);
    await device.close();
    await snapshots.revert?.(revert); // a retry that comes late
    const again = await data.open(locator, { write: false });
    const target = Buffer.alloc(512);
    await again.read(target, 0);
    expect(target.equals(Buffer.alloc(512, 7))).toBe(true);
  });

  test.each([
    undefined,
    'open',
    {},
    { ask: 'open' },
    { ask: 'open', object: 1, write: true, initiator: 'x' },
    { ask: 'chunk', session: -1, index: 0 },
    { ask: 'chunk', session: 1, index: 1.5 },
    { ask: 'allocate', session: 1, first: 0 },
    { ask: 'free', session: 1, first: 0, count: Number.POSITIVE_INFINITY },
    { ask: 'delete', session: 1 },
  ])('refuses a question that is none: %j', async (question) => {
    const { control } = await new SimulatedPeers().attach();
    await expect(control.answer?.(question)).rejects.toMatchObject({ errno: 'EINVAL' });
  });

  test('changes no pages for a session that may not', async () => {
    const { control } = await new SimulatedPeers().attach();
    const { locator } = await control.createVolume(wanted);
    const object = locator.address['id'];
    const open = { ask: 'open', object, write: false, initiator: INITIATOR, chap: undefined };
    const answer = control.answer?.bind(control) ?? (async () => ({}));
    const { session } = (await answer(open)) as { session: number };
    const allocate = { ask: 'allocate', session, first: 0, count: 1 };
    await expect(answer(allocate)).rejects.toMatchObject({ errno: 'EINVAL' });
    const gone = answer({ ...allocate, session: session + 1 });
    await expect(gone).rejects.toMatchObject({ errno: 'ESTALE' });
    const beyond = { ...allocate, first: 2 ** 40, count: 2 };
    await expect(answer(beyond)).rejects.toMatchObject({ errno: 'EINVAL' });
  });
});
