import { beforeEach, describe, expect, test } from 'vitest';
import {
  addCollection,
  addMachine,
  approveEnrolment,
  decideBoot,
  deleteMachine,
  listEnrolments,
  listEvents,
  listMachines,
  refuseEnrolment,
  setEnrolmentPolicy,
  showEnrolmentPolicy,
  showMachine,
  updateCollection,
  updateMachine,
} from '../../../src/control/index.ts';
import {
  ENROLMENT_LIMIT_TOLD_MS,
  ENROLMENT_WINDOW_MS,
  MAX_ENROLMENTS_PER_WINDOW,
} from '../../../src/control/limits.ts';
import { type FakeService, fakeService, kinds, withVdisk } from './support/fake-service.ts';

const MAC = '52:54:00:00:00:01';
const client = (mac = MAC) => ({ mac, arch: 'x64-uefi' });
const WAITING = { kind: 'local', reason: 'waiting', bootLoader: 'auto' };

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
});

test('a known machine boots; a disabled one does not', async () => {
  const { id } = addMachine(service.control, { name: 'pc-1', mac: MAC, vdisk: 'debian' });
  expect(decideBoot(service.control, client('52-54-00-00-00-01'))).toEqual({
    kind: 'boot',
    machineId: id,
    machineName: 'pc-1',
    bootLoader: 'auto',
  });
  await updateMachine(service.control, 'pc-1', { enabled: false });
  expect(decideBoot(service.control, client())).toEqual({
    kind: 'local',
    reason: 'disabled',
    bootLoader: 'auto',
  });
  expect(listEnrolments(service.control)).toEqual([]);
});

describe('an unknown machine', () => {
  test('waits, is seen again, and is told of once', () => {
    expect(decideBoot(service.control, client())).toEqual(WAITING);
    service.clock.advance(1000);
    expect(decideBoot(service.control, client())).toEqual(WAITING);
    service.clock.advance(999); // a repeated packet costs no write
    expect(decideBoot(service.control, client())).toEqual(WAITING);
    expect(listEnrolments(service.control)).toEqual([
      {
        mac: MAC,
        arch: 'x64-uefi',
        state: 'waiting',
        firstSeenAt: '2026-01-02T03:04:05.000Z',
        lastSeenAt: '2026-01-02T03:04:06.000Z',
      },
    ]);
    expect(kinds(service).filter((kind) => kind === 'enrolment.waiting')).toHaveLength(1);
    expect(listMachines(service.control)).toEqual([]);
  });

  test('approved becomes a machine that boots', () => {
    decideBoot(service.control, client());
    const machine = approveEnrolment(service.control, '525400000001', {
      name: 'pc-1',
      vdisk: 'debian',
      cacheMode: 'server-persistent',
      quota: '1G',
    });
    expect(machine).toMatchObject({ name: 'pc-1', mac: MAC, enrolment: 'approved' });
    expect(decideBoot(service.control, client())).toMatchObject({ kind: 'boot' });
    expect(listEnrolments(service.control)).toMatchObject([{ mac: MAC, state: 'approved' }]);
    expect(() => refuseEnrolment(service.control, MAC)).toThrow(
      expect.objectContaining({ code: 'ALREADY_EXISTS' }),
    );
  });

  test('refused stays refused, until it is approved', () => {
    decideBoot(service.control, client());
    expect(refuseEnrolment(service.control, MAC).state).toBe('refused');
    expect(decideBoot(service.control, client())).toEqual({
      kind: 'local',
      reason: 'refused',
      bootLoader: 'auto',
    });
    approveEnrolment(service.control, MAC, { name: 'pc-1', vdisk: 'debian' });
    expect(decideBoot(service.control, client())).toMatchObject({ kind: 'boot' });
  });

  test('approved into a collection takes its vDisk from there, or has its own', () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian', class: 'test' });
    decideBoot(service.control, client());
    const approve = (input: Parameters<typeof approveEnrolment>[2]) =>
      approveEnrolment(service.control, MAC, input);
    expect(() => approve({ name: 'pc-1' })).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        details: expect.objectContaining({ field: 'machine.vdisk' }),
      }),
    );
    expect(() => approve({ name: 'pc-1', collection: 'no' })).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
    expect(approve({ name: 'pc-1', collection: 'lab', class: 'maintenance' })).toMatchObject({
      vdisk: 'debian',
      collection: 'lab',
      class: 'maintenance',
      settings: { vdisk: { from: 'collection' }, class: { from: 'machine' } },
    });
  });

  test('that never asked cannot be approved or refused', () => {
    expect(() => approveEnrolment(service.control, MAC, { name: 'pc-1', vdisk: 'debian' })).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
    expect(() => refuseEnrolment(service.control, MAC)).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
  });

  test('added by hand is settled; deleted it is unknown again', async () => {
    decideBoot(service.control, client());
    addMachine(service.control, { name: 'pc-1', mac: MAC, vdisk: 'debian' });
    expect(listEnrolments(service.control)).toMatchObject([{ state: 'approved' }]);
    await deleteMachine(service.control, 'pc-1');
    expect(listEnrolments(service.control)).toEqual([]);
    expect(decideBoot(service.control, client())).toEqual(WAITING);
  });

  test('is forgotten when too many wait, those not seen for longest first', () => {
    const { enrolments } = service.control.catalog;
    const old = { arch: 'x', firstSeenAt: 0 };
    enrolments.insert({ ...old, mac: 'a', state: 'waiting', lastSeenAt: 5 });
    enrolments.insert({ ...old, mac: 'b', state: 'refused', lastSeenAt: 1 });
    enrolments.insert({ ...old, mac: 'c', state: 'waiting', lastSeenAt: 2 });
    enrolments.forgetBeyond(2);
    expect(enrolments.all().map(({ mac }) => mac)).toEqual(['a', 'b']);
    enrolments.forgetBeyond(2);
    expect(enrolments.all()).toHaveLength(2);
  });
});

describe('a storm of unknown machines', () => {
  const mac = (n: number) =>
    `02:00:00:00:${n.toString(16).padStart(4, '0').replace(/^(..)/, '$1:')}`;
  const limits = () =>
    listEvents(service.control, { limit: 1000 }).filter(({ kind }) => kind === 'enrolment.limit');

  test('is let in so many at a time, and told of once a minute', () => {
    for (let n = 0; n < 3 * MAX_ENROLMENTS_PER_WINDOW; n++) {
      expect(decideBoot(service.control, { mac: mac(n), arch: 'x64-uefi' })).toEqual(WAITING);
    }
    expect(listEnrolments(service.control)).toHaveLength(MAX_ENROLMENTS_PER_WINDOW);
    expect(limits()).toHaveLength(1);
    // Who was passed over comes in with a later packet.
    service.clock.advance(ENROLMENT_WINDOW_MS);
    decideBoot(service.control, { mac: mac(MAX_ENROLMENTS_PER_WINDOW), arch: 'x64-uefi' });
    expect(listEnrolments(service.control)).toHaveLength(MAX_ENROLMENTS_PER_WINDOW + 1);
    service.clock.advance(ENROLMENT_LIMIT_TOLD_MS);
    for (let n = 1000; n < 1001 + MAX_ENROLMENTS_PER_WINDOW; n++) {
      decideBoot(service.control, { mac: mac(n), arch: 'x64-uefi' });
    }
    expect(limits()).toHaveLength(2);
  });

  test('does not take a known machine along', () => {
    addMachine(service.control, { name: 'pc', mac: mac(0xffff), vdisk: 'debian' });
    for (let n = 0; n < 2 * MAX_ENROLMENTS_PER_WINDOW; n++) {
      decideBoot(service.control, { mac: mac(n), arch: 'x64-uefi' });
    }
    const known = decideBoot(service.control, { mac: mac(0xffff), arch: 'x64-uefi' });
    expect(known).toMatchObject({ kind: 'boot', machineName: 'pc' });
  });
});

describe('the policy', () => {
  const template = { vdisk: 'debian', namePattern: 'pc-{n}', quota: '2G' };

  test('waits unless it says otherwise', () => {
    expect(showEnrolmentPolicy(service.control)).toEqual({ mode: 'wait', template: null });
    expect(setEnrolmentPolicy(service.control, { mode: 'template', template })).toMatchObject({
      mode: 'template',
      template: {
        vdisk: 'debian',
        namePattern: 'pc-{n}',
        collection: null,
        cacheMode: 'server',
        quotaBytes: 2 * 2 ** 30,
      },
    });
    expect(setEnrolmentPolicy(service.control, { mode: 'wait' }).mode).toBe('wait');
  });

  test('by template enrols at once, with names that are free', () => {
    addMachine(service.control, { name: 'pc-2', mac: '52:54:00:00:00:99', vdisk: 'debian' });
    setEnrolmentPolicy(service.control, { mode: 'template', template });
    const names = ['01', '02', '03'].map((end) => {
      const decision = decideBoot(service.control, client(`52:54:00:00:00:${end}`));
      return decision.kind === 'boot' ? decision.machineName : decision.reason;
    });
    expect(names).toEqual(['pc-1', 'pc-3', 'pc-4']);
    expect(showMachine(service.control, 'pc-3')).toMatchObject({
      enrolment: 'automatic',
      vdisk: 'debian',
      cache: { quotaBytes: 2 * 2 ** 30 },
    });
    expect(decideBoot(service.control, client())).toMatchObject({ machineName: 'pc-1' });
    expect(listMachines(service.control)).toHaveLength(4);
  });

  test('by template puts machines into a collection, whose settings they follow', async () => {
    addCollection(service.control, { name: 'lab', vdisk: 'debian', quota: '1G' });
    const into = { namePattern: 'pc-{n}', collection: 'lab', class: 'test' as const };
    const policy = setEnrolmentPolicy(service.control, { mode: 'template', template: into });
    expect(policy.template).toMatchObject({
      vdisk: 'debian',
      collection: 'lab',
      quotaBytes: 2 ** 30,
      settings: {
        vdisk: { value: 'debian', from: 'collection' },
        class: { value: 'test', from: 'template' },
      },
    });
    decideBoot(service.control, client());
    expect(showMachine(service.control, 'pc-1')).toMatchObject({
      collection: 'lab',
      class: 'test',
      settings: { vdisk: { from: 'collection' }, class: { from: 'machine' } },
    });
    await deleteMachine(service.control, 'pc-1');
    await expect(
      updateCollection(service.control, 'lab', { inherit: ['vdisk'] }),
    ).rejects.toMatchObject({ code: 'IN_USE', details: { field: 'collection.vdisk' } });
    await updateCollection(service.control, 'lab', { quota: '2G' });
    decideBoot(service.control, client());
    expect(showMachine(service.control, 'pc-1').cache.quotaBytes).toBe(2 ** 31);
  });

  test('by template takes in those that wait already, but not those refused', () => {
    decideBoot(service.control, client());
    decideBoot(service.control, client('52:54:00:00:00:02'));
    refuseEnrolment(service.control, '52:54:00:00:00:02');
    setEnrolmentPolicy(service.control, { mode: 'template', template });
    expect(decideBoot(service.control, client())).toMatchObject({ kind: 'boot' });
    expect(decideBoot(service.control, client('52:54:00:00:00:02'))).toMatchObject({
      reason: 'refused',
    });
  });

  test('whose names are all taken lets machines wait', () => {
    addMachine(service.control, {
      name: 'pc.525400000001',
      mac: '52:54:00:00:00:99',
      vdisk: 'debian',
    });
    const byMac = { ...template, namePattern: 'pc.{mac}' };
    setEnrolmentPolicy(service.control, { mode: 'template', template: byMac });
    expect(decideBoot(service.control, client())).toEqual(WAITING);
  });

  test.each([
    [{ mode: 'template' as const }, 'INVALID_INPUT'],
    [{ mode: 'wait' as const, template }, 'INVALID_INPUT'],
    [{ mode: 'template' as const, template: { ...template, vdisk: 'no' } }, 'NOT_FOUND'],
    [{ mode: 'template' as const, template: { ...template, collection: 'no' } }, 'NOT_FOUND'],
    [{ mode: 'template' as const, template: { namePattern: 'pc-{n}' } }, 'INVALID_INPUT'],
    [{ mode: 'template' as const, template: { ...template, namePattern: 'pc' } }, 'INVALID_INPUT'],
    [{ mode: 'template' as const, template: { ...template, quota: '1' } }, 'INVALID_INPUT'],
  ])('%j is refused and the old one stays', (input, code) => {
    expect(() => setEnrolmentPolicy(service.control, input)).toThrow(
      expect.objectContaining({ code }),
    );
    expect(showEnrolmentPolicy(service.control).mode).toBe('wait');
  });
});
