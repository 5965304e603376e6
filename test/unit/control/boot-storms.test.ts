import { beforeEach, describe, expect, test } from 'vitest';
import { askAgainSeconds } from '../../../src/control/boots/admission.ts';
import {
  addCollection,
  addMachine,
  bootOrWait,
  deleteMachine,
  machineTimeline,
  noteBootStage,
  observeBoots,
  recoverControl,
  requestBoot,
  setBootRule,
  showBoots,
  updateMachine,
} from '../../../src/control/index.ts';
import {
  BOOT_ASK_LONGEST_SECONDS,
  BOOT_PLACE_KEPT_MS,
  BOOT_QUIET_MS,
} from '../../../src/control/limits.ts';
import { type FakeService, fakeService, kinds, START, withVdisk } from './support/fake-service.ts';

const SLOT_MS = 180_000;
const macOf = (name: string): string =>
  `52:54:00:00:00:${name.charCodeAt(0).toString(16).padStart(2, '0')}`;

let service: FakeService;

async function open(most: number, perSecond = 0): Promise<void> {
  service = fakeService({ admission: { most, perSecond, slotMs: SLOT_MS } });
  await withVdisk(service);
}

function add(name: string, collection?: string): string {
  const more = collection === undefined ? { vdisk: 'debian' } : { vdisk: 'debian', collection };
  return addMachine(service.control, { name, mac: macOf(name), ...more }).id;
}

/** 'boot', or its place in the queue. */
async function ask(name: string): Promise<'boot' | number> {
  const answer = await bootOrWait(service.control, macOf(name));
  return answer.kind === 'boot' ? 'boot' : answer.place;
}

const ready = (name: string): void => noteBootStage(service.control, macOf(name), 'ready');
const order = (): string[] => showBoots(service.control).queue.map(({ machine }) => machine);

describe('without limits', () => {
  test('everybody boots at once, and nothing is queued', async () => {
    await open(0);
    for (const name of ['a', 'b', 'c']) {
      add(name);
      expect(await ask(name)).toBe('boot');
    }
    expect(showBoots(service.control)).toMatchObject({ most: null, waiting: 0, slotsTaken: 3 });
  });
});

describe('two at once', () => {
  beforeEach(async () => {
    await open(2);
    for (const name of ['a', 'b', 'c', 'd', 'e']) add(name);
    expect(await ask('a')).toBe('boot');
    expect(await ask('b')).toBe('boot');
  });

  test('the third waits, without a boot and without a fresh write cache, and boots when one is ready', async () => {
    const renewed = service.dataPlane.renewed.length;
    expect(await ask('c')).toBe(1);
    expect(await ask('c')).toBe(1);
    expect(service.dataPlane.renewed).toHaveLength(renewed);
    expect(machineTimeline(service.control, 'c')).toEqual([]);
    expect(kinds(service).filter((kind) => kind === 'boot.queued')).toHaveLength(1);
    service.clock.advance(4000);
    ready('a');
    expect(await ask('c')).toBe('boot');
    const [boot] = machineTimeline(service.control, 'c');
    expect(boot?.steps).toMatchObject([
      { stage: 'queued', afterMs: 0 },
      { stage: 'admitted', afterMs: 4000, tookMs: 4000 },
    ]);
  });

  test('who asked first goes first, whoever asks when a slot becomes free', async () => {
    expect([await ask('c'), await ask('d'), await ask('e')]).toEqual([1, 2, 3]);
    ready('a');
    expect(await ask('e')).toBe(3);
    expect(await ask('d')).toBe(2);
    expect(await ask('c')).toBe('boot');
    ready('b');
    expect(await ask('e')).toBe(2);
    expect(await ask('d')).toBe('boot');
  });

  test('a machine that boots anew does so within its own slot', async () => {
    expect(await ask('c')).toBe(1);
    expect(await ask('a')).toBe('boot');
    expect(await ask('c')).toBe(1);
    expect(showBoots(service.control).slotsTaken).toBe(2);
  });

  test('one that is up and boots again waits like any other', async () => {
    ready('a');
    expect(await ask('c')).toBe('boot');
    expect(await ask('a')).toBe(1);
  });

  test('a slot is free when the requests went quiet, and when a boot takes too long', async () => {
    expect(await ask('c')).toBe(1);
    expect(await ask('d')).toBe(2);
    const { id } = service.control.catalog.machines.byName('a') ?? { id: '' };
    service.dataPlane.set(id, {
      connections: [{ address: 'x', connectedAt: START + 100, tls: false }],
      lastRequestAt: START + 200,
    });
    observeBoots(service.control, service.clock.now());
    service.clock.advance(200 + BOOT_QUIET_MS);
    observeBoots(service.control, service.clock.now());
    expect(await ask('c')).toBe('boot');
    for (let waited = 0; waited < SLOT_MS; waited += 30_000) {
      service.clock.advance(30_000);
      if (waited + 35_200 < SLOT_MS) expect(await ask('d')).toBe(1);
    }
    expect(await ask('d')).toBe('boot');
  });

  test('a deleted machine gives its slot back', async () => {
    expect(await ask('c')).toBe(1);
    await deleteMachine(service.control, 'a');
    expect(await ask('c')).toBe('boot');
  });

  test('who does not ask any more loses his place, and the others move up', async () => {
    expect([await ask('c'), await ask('d')]).toEqual([1, 2]);
    service.clock.advance(BOOT_PLACE_KEPT_MS - 1000);
    expect(await ask('d')).toBe(2);
    service.clock.advance(2000);
    observeBoots(service.control, service.clock.now());
    expect(order()).toEqual(['d']);
    expect(kinds(service)).toContain('boot.place-lost');
    expect(service.control.catalog.bootQueue.all()).toHaveLength(1);
    expect(await ask('c')).toBe(2);
  });

  test('one whose boot goes wrong keeps no slot', async () => {
    expect(await ask('c')).toBe(1);
    ready('a');
    service.dataPlane.renewOverlay = () => Promise.reject(new Error('the disk is full'));
    await expect(bootOrWait(service.control, macOf('c'))).rejects.toThrow('the disk is full');
    expect(showBoots(service.control)).toMatchObject({ slotsTaken: 1, waiting: 0 });
    expect(service.control.catalog.bootQueue.all()).toEqual([]);
  });

  test('a restart of the service forgets neither who waits nor who boots', async () => {
    expect([await ask('c'), await ask('d')]).toEqual([1, 2]);
    const { catalog } = service.control;
    const clock = service.clock;
    service = fakeService({
      ...{ catalog, clock },
      admission: { most: 2, perSecond: 0, slotMs: SLOT_MS },
    });
    await recoverControl(service.control);
    expect(order()).toEqual(['c', 'd']);
    expect(await ask('e')).toBe(3);
    expect(await ask('d')).toBe(2);
    ready('b');
    expect(await ask('d')).toBe(2);
    expect(await ask('c')).toBe('boot');
  });

  test('two questions of one machine at once are one slot', async () => {
    ready('a');
    const answers = await Promise.all([ask('c'), ask('c')]);
    expect(answers).toEqual(['boot', 'boot']);
    expect(showBoots(service.control).slotsTaken).toBe(2);
  });

  test('whichever of them goes wrong, the other keeps the slot and what led to its boot', async () => {
    expect([await ask('c'), await ask('d')]).toEqual([1, 2]);
    service.clock.advance(4000);
    ready('a');
    const { dataPlane } = service;
    const { promise, resolve } = Promise.withResolvers<void>();
    const renewals = [
      () => promise,
      async () => {
        throw new Error('the disk is away');
      },
    ];
    const renew = dataPlane.renewOverlay.bind(dataPlane);
    dataPlane.renewOverlay = (id) => renewals.shift()?.() ?? renew(id);
    const first = ask('c');
    await expect(ask('c')).rejects.toThrow('the disk is away');
    // The first one's boot is still to come: its slot is nobody else's.
    expect(showBoots(service.control).slotsTaken).toBe(2);
    expect(await ask('d')).toBe(1);
    resolve();
    expect(await first).toBe('boot');
    expect(machineTimeline(service.control, 'c')[0]?.steps).toMatchObject([
      { stage: 'queued', afterMs: 0 },
      { stage: 'admitted', afterMs: 4000 },
    ]);
  });

  test.each(['deleted', 'disabled'])('one that is %s holds nobody up any more', async (how) => {
    expect([await ask('c'), await ask('d')]).toEqual([1, 2]);
    if (how === 'deleted') await deleteMachine(service.control, 'c');
    else {
      await updateMachine(service.control, 'c', { enabled: false });
      await expect(ask('c')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    }
    expect(order()).toEqual(['d']);
    expect(service.control.catalog.bootQueue.all()).toHaveLength(1);
    ready('a');
    expect(await ask('d')).toBe('boot');
    const lost = service.told.filter(({ kind }) => kind === 'boot.place-lost');
    expect(lost.map(({ message }) => message)).toEqual(
      how === 'deleted' ? [] : ['c waited to boot and was disabled: it has lost its place'],
    );
  });

  test('what is wrong with a machine is said at once', async () => {
    await expect(bootOrWait(service.control, '52:54:00:00:00:ff')).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

describe('rules', () => {
  test('a higher priority goes first, of a machine before that of its collection', async () => {
    await open(1);
    addCollection(service.control, { name: 'lab' });
    add('a');
    add('b');
    add('c', 'lab');
    add('d', 'lab');
    setBootRule(service.control, { collection: 'lab', priority: 5 });
    setBootRule(service.control, { machine: 'd', priority: -1 });
    expect(await ask('a')).toBe('boot');
    await ask('d');
    await ask('b');
    await ask('c');
    expect(order()).toEqual(['c', 'b', 'd']);
    setBootRule(service.control, { machine: 'd', priority: 9 });
    expect(await ask('d')).toBe(1);
    expect(order()).toEqual(['d', 'c', 'b']);
  });

  test('what one collection may not take, others may', async () => {
    await open(3);
    addCollection(service.control, { name: 'lab' });
    setBootRule(service.control, { collection: 'lab', most: 1 });
    for (const name of ['a', 'b']) add(name, 'lab');
    for (const name of ['c', 'd']) add(name);
    expect(await ask('a')).toBe('boot');
    expect(await ask('b')).toBe(1);
    expect(await ask('c')).toBe('boot');
    expect(await ask('d')).toBe('boot');
    ready('c');
    expect(await ask('b')).toBe(1);
    ready('a');
    expect(await ask('b')).toBe('boot');
  });

  test('a vDisk can be limited where nothing else is, and the rule goes with null', async () => {
    await open(0);
    for (const name of ['a', 'b']) add(name);
    setBootRule(service.control, { vdisk: 'debian', most: 1 });
    expect([await ask('a'), await ask('b')]).toEqual(['boot', 1]);
    expect(setBootRule(service.control, { vdisk: 'debian', most: null })).toEqual([]);
    expect(await ask('b')).toBe('boot');
  });

  test.each([
    [{}, 'rule.machine'],
    [{ machine: 'a', vdisk: 'debian', most: 1 }, 'rule.machine'],
    [{ machine: 'a', most: 1 }, 'rule.most'],
    [{ vdisk: 'debian', priority: 1 }, 'rule.priority'],
    [{ vdisk: 'debian' }, 'rule.most'],
    [{ collection: 'nowhere', most: 1 }, 'collection.name'],
  ])('%j is refused and names %s', async (input, field) => {
    await open(0);
    add('a');
    expect(() => setBootRule(service.control, input)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ field }) }),
    );
  });
});

describe('the pace', () => {
  test('so many begin in a second, however many slots are free', async () => {
    await open(0, 2);
    for (const name of ['a', 'b', 'c', 'd', 'e']) add(name);
    const all = async () => {
      const answers: ('boot' | number)[] = [];
      for (const name of ['a', 'b', 'c', 'd', 'e']) answers.push(await ask(name));
      return answers;
    };
    expect(await all()).toEqual(['boot', 'boot', 1, 2, 3]);
    service.clock.advance(1000);
    expect(await ask('c')).toBe('boot');
    expect(await ask('d')).toBe('boot');
    expect(await ask('e')).toBe(1);
    service.clock.advance(500);
    expect(await ask('e')).toBe('boot');
  });

  test('nobody comes from far behind because he asks at the right moment', async () => {
    await open(0, 1);
    const names = [...'abcdefgh'];
    for (const name of names) add(name);
    for (const name of names) await ask(name);
    expect(order()).toEqual([...'bcdefgh']);
    service.clock.advance(1000);
    expect(await ask('h')).toBe(7);
    expect(await ask('d')).toBe(3);
    expect(await ask('c')).toBe('boot');
    expect(await ask('b')).toBe(1);
    service.clock.advance(1000);
    expect(await ask('b')).toBe('boot');
  });

  test('who is further back asks less often', () => {
    expect([1, 50, 51, 500].map(askAgainSeconds)).toEqual([2, 2, 3, 11]);
    expect(askAgainSeconds(10_000)).toBe(BOOT_ASK_LONGEST_SECONDS);
    expect(BOOT_ASK_LONGEST_SECONDS * 1000 * 3).toBeLessThan(BOOT_PLACE_KEPT_MS);
  });
});

describe('the timeline', () => {
  test('begins with what the firmware did before', async () => {
    await open(0);
    add('a');
    const { preludes } = service.control;
    const mac = macOf('a');
    preludes.dhcp(mac, START - 9000);
    preludes.dhcp(mac, START - 8000);
    preludes.loader('10.0.0.7', START - 7000);
    preludes.script(mac, '10.0.0.7', START - 100);
    await requestBoot(service.control, mac);
    service.clock.advance(300);
    for (const stage of ['script', 'kernel', 'root-mounted', 'ready'] as const) {
      noteBootStage(service.control, mac, stage);
      service.clock.advance(1000);
    }
    const [boot] = machineTimeline(service.control, 'a');
    expect(boot?.ended).toBe('ready');
    expect(boot?.steps.map(({ stage, afterMs, tookMs }) => [stage, afterMs, tookMs])).toEqual([
      ['dhcp', 0, 0],
      ['loader', 2000, 2000],
      ['script', 9300, 7300],
      ['kernel', 10_300, 1000],
      ['root-mounted', 11_300, 1000],
      ['ready', 12_300, 1000],
    ]);
  });

  test('takes nothing of another boot, nor of a machine that had the address before', async () => {
    await open(0);
    add('a');
    const { preludes } = service.control;
    preludes.loader('10.0.0.7', START - 7000);
    preludes.dhcp(macOf('a'), START - 3_600_000);
    preludes.script(macOf('a'), '10.0.0.7', START);
    await requestBoot(service.control, macOf('a'));
    expect(machineTimeline(service.control, 'a')[0]?.steps).toEqual([]);
  });
});
