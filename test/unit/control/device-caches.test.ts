import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { BootEnd } from '../../../src/control/catalog/records.ts';
import {
  addMachine,
  type CacheReport,
  deleteMachine,
  identityText,
  listMachines,
  reportCache,
  requestBoot,
  resetMachine,
  showMachine,
  updateMachine,
  updateVdisk,
} from '../../../src/control/index.ts';
import { CACHE_REPORT_EVERY_MS, IDENTITY_AFTER_END_MS } from '../../../src/control/limits.ts';
import { type FakeService, fakeService, kinds, withVdisk } from './support/fake-service.ts';

const MAC = '52:54:00:00:00:01';
const GOOD: CacheReport = {
  mode: 'device-ram-overflow',
  state: 'good',
  reason: '',
  sizeBytes: 1000,
  usedBytes: 0,
};

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  const cacheMode = 'device-ram-overflow';
  addMachine(service.control, { name: 'pc-1', mac: MAC, vdisk: 'debian', cacheMode });
});

const report = (change: Partial<CacheReport> = {}) =>
  reportCache(service.control, MAC, { ...GOOD, ...change });
const shown = () => showMachine(service.control, 'pc-1').deviceCache;
const told = () => kinds(service).filter((kind) => kind.startsWith('machine.cache'));

describe('a boot with a write cache on the machine', () => {
  test('says what is asked for, and what to do where that is impossible', async () => {
    const plan = await requestBoot(service.control, MAC);
    expect(plan.deviceCache).toEqual({
      asked: 'device-ram-overflow',
      fallbacks: ['device-ram', 'server'],
    });
    expect(shown()).toMatchObject({ asked: 'device-ram-overflow', got: null, state: 'waiting' });
    updateVdisk(service.control, 'debian', { onCacheImpossible: 'refuse' });
    expect((await requestBoot(service.control, MAC)).deviceCache?.fallbacks).toEqual([]);
  });

  test('is over with a boot whose cache is the server’s', async () => {
    await requestBoot(service.control, MAC);
    await updateMachine(service.control, 'pc-1', { cacheMode: 'server' });
    // Until then it reads what it booted.
    expect(shown()).not.toBeNull();
    expect((await requestBoot(service.control, MAC)).deviceCache).toBeUndefined();
    expect(shown()).toBeNull();
    expect(report()).toEqual({ kind: 'unknown' });
  });

  test('leaves a layer of its own boot in use, and reset or another vDisk do not', async () => {
    await requestBoot(service.control, MAC);
    const { machineCaches, machines } = service.control.catalog;
    const id = machines.byName('pc-1')?.id ?? '';
    expect(machineCaches.of(id)?.layerId).toBeDefined();
    await resetMachine(service.control, 'pc-1');
    expect(machineCaches.of(id)).toBeUndefined();
    await requestBoot(service.control, MAC);
    machines.delete(id);
    expect(machineCaches.all()).toEqual([]);
  });
});

describe('what a machine reports of its write cache', () => {
  beforeEach(() => requestBoot(service.control, MAC));

  test('is shown, and each worsening is told once', () => {
    expect(report()).toEqual({ kind: 'kept' });
    expect(shown()).toMatchObject({ got: 'device-ram-overflow', state: 'good', percent: 0 });
    for (const [state, usedBytes] of [
      ['filling', 800],
      ['nearly-full', 900],
      ['full', 1000],
      ['failed', 1000],
    ] as const) {
      report({ state, usedBytes });
      report({ state, usedBytes });
      expect(shown()).toMatchObject({ state, usedBytes });
    }
    expect(told()).toEqual([
      'machine.cache-filling',
      'machine.cache-filling',
      'machine.cache-full',
      'machine.cache-failed',
    ]);
    // Nothing makes a cache good again but a boot.
    service.clock.advance(CACHE_REPORT_EVERY_MS);
    report();
    expect(shown()).toMatchObject({ state: 'failed' });
  });

  test('is written down once in a while, whoever sends it how often', () => {
    report();
    report({ usedBytes: 10 });
    expect(shown()?.usedBytes).toBe(0);
    service.clock.advance(CACHE_REPORT_EVERY_MS);
    report({ usedBytes: 10 });
    expect(shown()?.usedBytes).toBe(10);
  });

  test('may be a fallback, which is told and settles what its disk is', () => {
    const fallen = { mode: 'server', reason: 'no disk is marked', sizeBytes: 0 } as const;
    expect(report(fallen)).toEqual({ kind: 'kept' });
    expect(report(fallen)).toEqual({ kind: 'kept' });
    expect(told()).toEqual(['machine.cache-fallback']);
    expect(service.told.at(-1)?.message).toBe(
      'pc-1 cannot have a device-ram-overflow cache (no disk is marked): it has a server cache instead',
    );
    expect(report()).toMatchObject({ kind: 'refused' });
    expect(shown()?.got).toBe('server');
  });

  test('is refused where it contradicts the vDisk or itself', async () => {
    expect(report({ mode: 'device-disk' })).toMatchObject({
      why: 'no fallback of device-ram-overflow',
    });
    expect(report({ mode: undefined })).toMatchObject({ why: 'a cache without a mode' });
    expect(report({ state: 'refused' })).toMatchObject({ why: 'a mode that was refused' });
    expect(report()).toEqual({ kind: 'kept' });
    // A stranger must not make the disk of a running machine another.
    expect(report({ mode: 'server' })).toMatchObject({ kind: 'refused' });
    expect(report({ mode: undefined, state: 'refused' })).toMatchObject({ kind: 'refused' });
    updateVdisk(service.control, 'debian', { onCacheImpossible: 'refuse' });
    await requestBoot(service.control, MAC);
    expect(report({ mode: 'server' })).toMatchObject({
      why: 'its vDisk allows nothing but device-ram-overflow',
    });
    expect(report({ mode: undefined, state: 'refused', reason: 'no zram' })).toEqual({
      kind: 'kept',
    });
    expect(service.told.at(-1)?.message).toBe(
      'pc-1 cannot have a device-ram-overflow cache and does not boot: no zram',
    );
  });
});

describe('the identity of a machine', () => {
  const ask = (address: string) => identityText(service.control, MAC, address);
  const textOf = (address: string): string => {
    const answer = ask(address);
    if (answer.kind !== 'identity') throw new Error(JSON.stringify(answer));
    return answer.text;
  };

  test('is given while it boots, to one address, and an event says to whom', async () => {
    expect(ask('10.0.0.5')).toMatchObject({ kind: 'refused' });
    await requestBoot(service.control, MAC);
    const text = textOf('10.0.0.5');
    expect(textOf('10.0.0.5')).toBe(text);
    expect(ask('10.0.0.6')).toEqual({
      kind: 'refused',
      why: '10.0.0.5 was given it in this boot',
    });
    ask('10.0.0.6');
    // The machine asks again, and then somebody else does: told already.
    ask('10.0.0.5');
    ask('10.0.0.6');
    expect(kinds(service).filter((kind) => kind.startsWith('machine.identity'))).toEqual([
      'machine.identity-given',
      'machine.identity-refused',
    ]);
    await requestBoot(service.control, MAC);
    expect(textOf('10.0.0.6')).toBe(text);
    expect(text).toMatch(/^ROOTCAST_HOSTNAME='pc-1'\nROOTCAST_MACHINE_ID='[0-9a-f]{32}'\n/);
    expect(showMachine(service.control, 'pc-1').sshHostKeys).toHaveLength(2);
  });

  const end = (how: BootEnd): void => {
    const { boots, machines } = service.control.catalog;
    const boot = boots.last(machines.byMac(MAC)?.id ?? '');
    boots.end(boot?.id ?? 0, how, service.clock.now(), undefined);
  };

  test.each(['quiet', 'disconnected'] as const)(
    'is given for a while to one whose boot only seemed over (%s), and then no more',
    async (how) => {
      await requestBoot(service.control, MAC);
      end(how);
      service.clock.advance(IDENTITY_AFTER_END_MS - 1);
      expect(ask('10.0.0.5').kind).toBe('identity');
      service.clock.advance(1);
      expect(ask('10.0.0.5')).toEqual({ kind: 'refused', why: 'pc-1 does not boot now' });
    },
  );

  test.each(['ready', 'abandoned'] as const)(
    'is not given when its boot is over (%s)',
    async (how) => {
      await requestBoot(service.control, MAC);
      expect(ask('10.0.0.5').kind).toBe('identity');
      end(how);
      expect(ask('10.0.0.5')).toEqual({ kind: 'refused', why: 'pc-1 does not boot now' });
    },
  );

  test('has its public keys in every list; private ones are read once, and none of a machine that is deleted', async () => {
    const { control } = service;
    const listed = () =>
      listMachines(control).map(({ name, sshHostKeys }) => [name, ...sshHostKeys]);
    expect(listed()).toEqual([['pc-1']]);
    await requestBoot(control, MAC);
    const mine = [...textOf('10.0.0.5').matchAll(/_pub='(.*)'/g)].map(([, line]) => line);
    expect(mine).toHaveLength(2);
    expect(listed()).toEqual([['pc-1', ...mine]]);
    const read = vi.spyOn(control.catalog.secrets, 'of');
    expect(listed()).toEqual([['pc-1', ...mine]]);
    expect(read).not.toHaveBeenCalled();
    expect(control.sshPublicKeys.size).toBe(1);
    await deleteMachine(control, 'pc-1');
    expect(control.sshPublicKeys.size).toBe(0);
  });

  test('is another for every machine, and has keys only where the vDisk says so', async () => {
    addMachine(service.control, { name: 'pc-2', mac: '52:54:00:00:00:02', vdisk: 'debian' });
    await requestBoot(service.control, MAC);
    await requestBoot(service.control, '52:54:00:00:00:02');
    const other = identityText(service.control, '52:54:00:00:00:02', '10.0.0.6');
    const mine = new Set(textOf('10.0.0.5').split('\n'));
    const same = (other.kind === 'identity' ? other.text : '')
      .split('\n')
      .filter((line) => mine.has(line));
    expect(same.every((line) => !line.includes('HOSTNAME') && !line.includes('MACHINE_ID'))).toBe(
      true,
    );
    expect(same.filter((line) => line.includes('_pub='))).toEqual([]);
    updateVdisk(service.control, 'debian', { sshHostKeys: 'each-boot' });
    await requestBoot(service.control, MAC);
    expect(textOf('10.0.0.5')).toMatch(/ROOTCAST_SSH_HOST_KEYS='each-boot'\n$/);
  });
});
