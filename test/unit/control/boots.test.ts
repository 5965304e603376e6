import { beforeEach, describe, expect, test } from 'vitest';
import {
  addMachine,
  deleteLease,
  deleteMachine,
  importVdisk,
  listLeases,
  loadLeases,
  noteBootStage,
  observeBoots,
  requestBoot,
  saveLease,
  showMachine,
  updateMachine,
} from '../../../src/control/index.ts';
import {
  BOOT_ABANDONED_MS,
  BOOT_QUIET_MS,
  MAX_BOOTS_PER_MACHINE,
} from '../../../src/control/limits.ts';
import {
  type FakeService,
  fakeService,
  IDLE,
  kinds,
  START,
  withVdisk,
} from './support/fake-service.ts';

const MAC = '52:54:00:12:34:56';

let service: FakeService;
let id: string;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  ({ id } = addMachine(service.control, {
    name: 'pc-1',
    mac: MAC,
    vdisk: 'debian',
    kernelArguments: 'quiet',
  }));
});

/** The guest asks for a block `ms` after the boot was requested, on a connection of `connectedMs`. */
function request(ms: number, connectedMs: number): void {
  service.dataPlane.set(id, {
    connections: [{ address: 'x', connectedAt: START + connectedMs, tls: false }],
    lastRequestAt: START + ms,
  });
}

function observe(ms: number): void {
  service.clock.time = START + ms;
  observeBoots(service.control, service.clock.now());
}

const page = () => showMachine(service.control, 'pc-1');

describe('asking for a boot', () => {
  test('gives the plan, starts a record and renews the overlay', async () => {
    expect(await requestBoot(service.control, '525400123456')).toEqual({
      bootId: 1,
      machineId: id,
      machineName: 'pc-1',
      mac: MAC,
      vdiskName: 'debian',
      version: 1,
      layerId: 'layer-1',
      size: 2 ** 41,
      exportName: 'machine/pc-1',
      cacheMode: 'server',
      maintenance: false,
      bootFiles: expect.objectContaining({ kernel: 'vmlinuz', rootPartition: 'p1' }),
      kernelArguments: 'quiet',
    });
    expect(service.dataPlane.renewed).toEqual([id]);
    expect(page()).toMatchObject({
      state: 'booting',
      server: 'rack-1',
      lastBoot: { startedAt: '2026-01-02T03:04:05.000Z', ended: null, durationMs: null },
    });
  });

  test('keeps the overlay of a server-persistent machine', async () => {
    await updateMachine(service.control, 'pc-1', { cacheMode: 'server-persistent' });
    await requestBoot(service.control, MAC);
    expect(service.dataPlane.renewed).toEqual([id]); // made: it had none
    const layerId = 'layer-1';
    service.dataPlane.overlays.set(id, { layerId, usedBytes: 4096, isOpen: false });
    await requestBoot(service.control, MAC);
    expect(service.dataPlane.renewed).toEqual([id]);
  });

  test('puts the vDisk’s kernel arguments before the machine’s', async () => {
    const input = { name: 'other', path: '/x', kernelArguments: 'console=ttyS0' };
    await service.control.tasks.settled(importVdisk(service.control, input).id);
    await updateMachine(service.control, 'pc-1', { vdisk: 'other' });
    const { kernelArguments } = await requestBoot(service.control, MAC);
    expect(kernelArguments).toBe('console=ttyS0 quiet');
  });

  test('is refused to unknown and disabled machines, and nothing is renewed', async () => {
    await expect(requestBoot(service.control, '52:54:00:00:00:99')).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await updateMachine(service.control, 'pc-1', { enabled: false });
    await expect(requestBoot(service.control, MAC)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    expect(service.dataPlane.renewed).toEqual([]);
  });

  test('of a machine that is deleted meanwhile leaves no record', async () => {
    const booting = requestBoot(service.control, MAC);
    await deleteMachine(service.control, 'pc-1');
    await expect(booting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(service.control.catalog.boots.underWay()).toEqual([]);
  });

  test('again supersedes the boot under way, and only so many are kept', async () => {
    for (let count = 0; count < MAX_BOOTS_PER_MACHINE + 5; count++) {
      await requestBoot(service.control, MAC);
    }
    expect(service.control.catalog.boots.underWay()).toHaveLength(1);
    const ended = service.told.filter((event) => event.kind === 'boot.ended');
    expect(ended).toHaveLength(MAX_BOOTS_PER_MACHINE + 4);
    expect(ended.every((event) => event.data['how'] === 'superseded')).toBe(true);
    expect(service.control.catalog.boots.last(id)?.id).toBe(MAX_BOOTS_PER_MACHINE + 5);
  });
});

describe('a boot ends', () => {
  beforeEach(() => requestBoot(service.control, MAC));

  test('when the guest says so, with its timeline', () => {
    for (const [stage, ms] of [
      ['script', 10],
      ['kernel', 200],
      ['kernel', 250], // firmware asks twice: the first counts
      ['initrd', 900],
    ] as const) {
      service.clock.time = START + ms;
      noteBootStage(service.control, MAC, stage);
    }
    request(1600, 1500);
    observe(2000);
    service.clock.time = START + 4000;
    noteBootStage(service.control, MAC, 'ready');
    expect(page()).toMatchObject({
      state: 'running',
      lastBoot: {
        ended: 'ready',
        durationMs: 4000,
        timeline: [
          { stage: 'script', afterMs: 10 },
          { stage: 'kernel', afterMs: 200 },
          { stage: 'initrd', afterMs: 900 },
          { stage: 'first-block', afterMs: 1500 },
          { stage: 'ready', afterMs: 4000 },
        ],
      },
    });
    expect(service.told.at(-1)).toMatchObject({ kind: 'boot.ended', data: { how: 'ready' } });
  });

  test('not because the service was away for longer than a machine is quiet', () => {
    request(2000, 1000);
    observe(2000);
    const { catalog } = service.control;
    service.clock.time = START + 60_000;
    service = fakeService({ catalog, clock: service.clock });
    // Nobody has come back yet.
    observe(60_000 + BOOT_QUIET_MS - 1);
    expect(page().state).toBe('booting');
    request(60_000 + BOOT_QUIET_MS, 60_000 + BOOT_QUIET_MS);
    observe(60_000 + 2 * BOOT_QUIET_MS - 1);
    expect(page().state).toBe('booting');
    observe(60_000 + 2 * BOOT_QUIET_MS);
    // When it was over nobody knows: the minute in which the service was down is no part of it.
    expect(page().lastBoot).toMatchObject({ ended: 'quiet', durationMs: null });
    expect(service.told.at(-1)?.message).toBe('pc-1 is up (its requests went quiet)');
  });

  test('when its requests have been quiet for a while', () => {
    request(2000, 1000);
    observe(2000);
    expect(page().lastBoot?.timeline).toMatchObject([{ stage: 'first-block', afterMs: 1000 }]);
    observe(2000 + BOOT_QUIET_MS - 1);
    expect(page().state).toBe('booting');
    request(6900, 1000); // one more request: the wait begins anew
    observe(2000 + BOOT_QUIET_MS);
    expect(page().state).toBe('booting');
    observe(6900 + BOOT_QUIET_MS);
    expect(page()).toMatchObject({
      state: 'running',
      lastBoot: { ended: 'quiet', durationMs: 6900 },
    });
    observe(6900 + BOOT_QUIET_MS * 2);
    expect(kinds(service).filter((kind) => kind === 'boot.ended')).toHaveLength(1);
  });

  test('and a report that comes later corrects the quiet', () => {
    request(2000, 1000);
    observe(2000);
    observe(2000 + BOOT_QUIET_MS);
    service.clock.time = START + 9000;
    noteBootStage(service.control, MAC, 'ready');
    expect(page().lastBoot).toMatchObject({ ended: 'ready', durationMs: 9000 });
  });

  test('when the machine goes away before', () => {
    request(2000, 1000);
    observe(2000);
    service.dataPlane.set(id, { connections: [] });
    observe(2000 + BOOT_QUIET_MS);
    expect(page()).toMatchObject({
      state: 'off',
      server: null,
      lastBoot: { ended: 'disconnected', durationMs: null },
    });
  });

  test('when no block was ever read', () => {
    observe(BOOT_ABANDONED_MS - 1);
    expect(page().state).toBe('booting');
    observe(BOOT_ABANDONED_MS);
    expect(page()).toMatchObject({ state: 'off', lastBoot: { ended: 'abandoned' } });
  });

  test('the connection of the boot before is not this boot’s first block', () => {
    request(500, -60_000);
    observe(1000);
    observe(1000 + BOOT_QUIET_MS * 2);
    expect(page()).toMatchObject({ state: 'booting', lastBoot: { timeline: [] } });
  });

  test('after a restart of the service, which has forgotten the last request', () => {
    request(2000, 1000);
    observe(2000);
    service.dataPlane.live.set(id, IDLE);
    observe(1000 + BOOT_QUIET_MS);
    expect(page().lastBoot?.ended).toBe('disconnected');
  });
});

test('stages of unknown machines and of machines without a boot are ignored', () => {
  noteBootStage(service.control, '52:54:00:00:00:99', 'ready');
  noteBootStage(service.control, MAC, 'ready');
  expect(page().lastBoot).toBeNull();
  expect(kinds(service)).not.toContain('boot.ended');
});

test('leases are kept by address', () => {
  const lease = { ip: '192.0.2.10', mac: MAC, expiresAt: START, state: 'bound' };
  saveLease(service.control, lease);
  saveLease(service.control, { ...lease, ip: '192.0.2.11', mac: '52:54:00:00:00:99' });
  saveLease(service.control, { ...lease, state: 'declined' });
  expect(loadLeases(service.control)).toEqual([
    { ...lease, state: 'declined' },
    { ...lease, ip: '192.0.2.11', mac: '52:54:00:00:00:99' },
  ]);
  expect(listLeases(service.control).map(({ machine }) => machine)).toEqual(['pc-1', null]);
  deleteLease(service.control, '192.0.2.10');
  expect(loadLeases(service.control)).toHaveLength(1);
});
