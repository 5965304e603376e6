import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MachineLive } from '../../../../src/control/index.ts';
import { describeClass, field } from '../../../../src/xenapi/datamodel/description.ts';
import { refOf } from '../../../../src/xenapi/objects/refs.ts';
import { HOST_REF } from '../../../../src/xenapi/projections/site-records.ts';
import {
  MAX_RRD_VDIS,
  RRD_SAMPLE_SECONDS,
  RRD_VDI_IDLE_SECONDS,
} from '../../../../src/xenapi/rrd/limits.ts';
import { ARCHIVES } from '../../../../src/xenapi/rrd/series.ts';
import { type ServerRig, serverRig } from '../server-rig.ts';

const SR = describeClass({
  name: 'SR',
  doc: 'Storage',
  role: 'pool-operator',
  fields: { uuid: field('string', 'dynamic', 'Its own') },
  messages: {},
});
const UUID = '0123abcd-0000-4000-8000-000000000001';
const START = 1_700_000_000_000;
const MEBIBYTE = 2 ** 20;
const IDLE: MachineLive = {
  ...{ connections: [], bytesRead: 0, bytesWritten: 0, readRequests: 0, writeRequests: 0 },
  ...{ cacheUsedBytes: 0, cacheFull: false, lastRequestAt: undefined, standsOn: undefined },
};

const VDI = describeClass({
  name: 'VDI',
  doc: 'A disk',
  role: 'vm-admin',
  fields: { uuid: field('string', 'dynamic', 'Its own') },
  messages: {},
});

let server: ServerRig;
beforeEach(async () => {
  server = await serverRig({ classes: [SR, VDI] });
  server.xen.objects.put('SR', refOf('SR', 'r1'), { uuid: UUID }, { kind: 'repository', id: 'r1' });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await server.close();
});

function transferred(bytesRead: number, bytesWritten: number, requests = 0): void {
  server.transferred.set('r1', {
    ...{ bytesRead, bytesWritten, readRequests: requests, writeRequests: requests / 2 },
  });
}

/** The newest value of each source of the SR, without its suffix. */
function newest(): Record<string, number> {
  const [finest] = ARCHIVES;
  const sources = server.figures.sources(refOf('SR', 'r1'));
  return Object.fromEntries(
    sources.map(({ name, series }) => {
      expect(name).toMatch(/_0123abcd$/);
      const value = finest && series.at(finest, server.figures.sample ?? 0);
      return [name.slice(0, -9), value ?? Number.NaN];
    }),
  );
}

describe('figures of an SR', () => {
  it('are what passed in a second, in MiB and requests', () => {
    transferred(0, 0);
    server.figures.observe(START);
    expect(newest()['io_throughput_read']).toBeNaN();
    transferred(10 * MEBIBYTE, 5 * MEBIBYTE, 100);
    server.figures.observe(START + 1000); // it is not time yet
    server.figures.observe(START + 5000);
    expect(newest()).toEqual({
      ...{ io_throughput_read: 2, io_throughput_write: 1, io_throughput_total: 3 },
      ...{ iops_read: 20, iops_write: 10, iops_total: 30 },
    });
  });

  it('are averages over what a late look missed', () => {
    transferred(0, 0);
    server.figures.observe(START);
    transferred(20 * MEBIBYTE, 0);
    server.figures.observe(START + 20_000);
    const [finest] = ARCHIVES;
    const [read] = server.figures.sources(refOf('SR', 'r1'));
    const sample = server.figures.sample ?? 0;
    const values = [0, 1, 2, 3, 4].map((back) => finest && read?.series.at(finest, sample - back));
    expect(values).toEqual([1, 1, 1, 1, Number.NaN]);
  });

  it('are not known when the counters began anew, or nothing is said', () => {
    transferred(100, 100);
    server.figures.observe(START);
    transferred(50, 200);
    server.figures.observe(START + 5000);
    expect(newest()['io_throughput_read']).toBeNaN();
    server.transferred.clear();
    server.figures.observe(START + 10_000);
    expect(newest()['io_throughput_write']).toBeNaN();
    transferred(50, 200);
    server.figures.observe(START + 15_000);
    expect(newest()['io_throughput_write']).toBeNaN();
    server.figures.observe(START + 20_000);
    expect(newest()['io_throughput_write']).toBe(0);
  });

  it('of vDisks are what machines do, and what others read of layers', () => {
    const sr = refOf('SR', 'vdisks');
    server.xen.objects.put('SR', sr, { uuid: UUID }, { kind: 'own', id: 'vdisks' });
    const live = { ...IDLE, bytesRead: MEBIBYTE, readRequests: 10, bytesWritten: MEBIBYTE };
    const { catalog } = server.xen.control;
    const machine = { id: 'm1' } as ReturnType<typeof catalog.machines.all>[number];
    vi.spyOn(catalog.machines, 'all').mockReturnValue([machine]);
    const asked = vi.spyOn(server.xen.control.dataPlane, 'machineLive').mockReturnValue(IDLE);
    server.figures.observe(START);
    asked.mockReturnValue(live);
    Object.assign(server.layers, { bytesRead: 4 * MEBIBYTE, readRequests: 5 });
    server.figures.observe(START + 5000);
    const values = server.figures.srSources(sr).map(({ value }) => value);
    expect(values).toEqual([1, 0.2, 1.2, 3, 0, 3]);
  });

  it('go with the SR', () => {
    transferred(0, 0);
    server.figures.observe(START);
    server.xen.objects.delete('SR', refOf('SR', 'r1'));
    server.transferred.clear();
    server.figures.observe(START + 5000);
    expect(server.figures.sources(refOf('SR', 'r1'))).toEqual([]);
  });
});

describe('figures of VDIs', () => {
  const [finest] = ARCHIVES;
  const uuidOf = (id: string) => `uuid-of-${id}`;

  function putVdi(id: string): void {
    const record = { uuid: uuidOf(id) };
    server.xen.objects.put('VDI', refOf('VDI', id), record, { kind: 'volume', id });
  }

  /** So much was read of it since the start, by one request a MiB. */
  const moved = (id: string, mebibytes: number) =>
    server.ofDisks.set(id, {
      ...{ bytesRead: mebibytes * MEBIBYTE, readRequests: mebibytes },
      ...{ bytesWritten: 0, writeRequests: 0 },
    });

  const observe = (sample: number) => server.figures.observe(START + sample * 5000);

  /** By VDI, the newest values of all its figures, or of one. */
  function drawn(...uuids: string[]): Record<string, Record<string, number>> {
    const found: Record<string, Record<string, number>> = {};
    const columns = server.figures.vdiColumns(uuids.length === 0 ? undefined : new Set(uuids));
    for (const { name, series } of columns) {
      const [owner, uuid = '', figure = ''] = name.split(':');
      expect(owner).toBe('vdi');
      const value = finest && series.at(finest, server.figures.sample ?? 0);
      found[uuid] = { ...found[uuid], [figure]: value ?? Number.NaN };
    }
    return found;
  }

  beforeEach(() => {
    for (const id of ['v1', 'v2', 'v3']) putVdi(id);
  });

  it('begin when one first moves, with what passed then; one selects by uuid', () => {
    moved('v2', 1000); // before the first look: nobody knows when
    observe(0);
    expect(drawn()).toEqual({});
    moved('v1', 10);
    observe(1);
    const figures = {
      ...{ io_throughput_read: 2, io_throughput_write: 0, io_throughput_total: 2 },
      ...{ iops_read: 2, iops_write: 0, iops_total: 2 },
    };
    expect(drawn()).toEqual({ [uuidOf('v1')]: figures });
    moved('v2', 1020);
    observe(2);
    expect(Object.keys(drawn()).sort()).toEqual([uuidOf('v1'), uuidOf('v2')]);
    expect(drawn(uuidOf('v2'))).toMatchObject({ [uuidOf('v2')]: { io_throughput_read: 4 } });
    expect(drawn(uuidOf('v1'))).toMatchObject({ [uuidOf('v1')]: { iops_total: 0 } });
    expect(drawn('of-nobody')).toEqual({});
    // Those who ask for the host get what they got before.
    expect(server.figures.sources().some(({ name }) => name.includes('uuid-of'))).toBe(false);
  });

  it('are not known while its counter is away or begins anew', () => {
    observe(0);
    moved('v1', 10);
    observe(1);
    server.ofDisks.delete('v1');
    observe(2);
    expect(drawn()[uuidOf('v1')]?.['iops_read']).toBeNaN();
    moved('v1', 5);
    observe(3);
    expect(drawn()[uuidOf('v1')]?.['iops_read']).toBe(1);
    moved('v1', 1);
    observe(4);
    expect(drawn()[uuidOf('v1')]?.['iops_read']).toBeNaN();
  });

  it('go with the VDI, and when it has rested for an hour', () => {
    observe(0);
    for (const id of ['v1', 'v2', 'of-no-vdi']) moved(id, 10);
    observe(1);
    expect(Object.keys(drawn())).toHaveLength(2);
    server.xen.objects.delete('VDI', refOf('VDI', 'v1'));
    observe(2);
    expect(Object.keys(drawn())).toEqual([uuidOf('v2')]);
    const hour = RRD_VDI_IDLE_SECONDS / RRD_SAMPLE_SECONDS;
    observe(hour);
    expect(drawn()).toMatchObject({ [uuidOf('v2')]: { iops_total: 0 } });
    observe(1 + hour);
    expect(drawn()).toEqual({});
    moved('v2', 20);
    observe(2 + hour);
    expect(drawn()).toMatchObject({ [uuidOf('v2')]: { iops_total: 2 } });
  });

  it('are of so many at once: the one that rested longest goes, never one that moves', () => {
    observe(0);
    const many = Array.from({ length: MAX_RRD_VDIS }, (_, index) => `many-${index}`);
    for (const id of many) putVdi(id);
    for (const id of many) moved(id, 1);
    observe(1);
    expect(Object.keys(drawn())).toHaveLength(MAX_RRD_VDIS);
    moved('many-0', 2);
    moved('v1', 1);
    observe(2);
    const uuids = new Set(Object.keys(drawn()));
    expect(uuids.size).toBe(MAX_RRD_VDIS);
    expect([uuidOf('v1'), uuidOf('many-0')].every((uuid) => uuids.has(uuid))).toBe(true);
    expect(uuids.has(uuidOf('many-1'))).toBe(false);
    for (const id of [...many, 'v1', 'v2', 'v3']) moved(id, 10);
    observe(3);
    expect(new Set(Object.keys(drawn()))).toEqual(uuids);
  });

  it('of a version are what is read of its layer', () => {
    const { versions } = server.xen.control.catalog;
    const sealed = [{ id: 'v3' }] as unknown as ReturnType<typeof versions.ofLayer>;
    const asked = vi.spyOn(versions, 'ofLayer').mockReturnValue([]);
    asked.mockImplementation((id) => (id === 'layer' || id === 'merged' ? sealed : []));
    observe(0);
    moved('layer', 10);
    observe(1);
    expect(drawn()).toMatchObject({ [uuidOf('v3')]: { iops_read: 2 } });
    // It is made one with another, and is read from that.
    moved('merged', 5);
    observe(2);
    moved('merged', 25);
    observe(3);
    expect(drawn()).toMatchObject({ [uuidOf('v3')]: { iops_read: 4 } });
  });
});

describe('data sources of the host', () => {
  it('are listed, asked for, and forgotten', async () => {
    transferred(0, 0);
    server.figures.observe(START);
    const call = (method: string, ...given: unknown[]) =>
      server.rig.call(method, HOST_REF, ...given);
    const sources = (await call('host.get_data_sources')) as { name_label: string }[];
    expect(sources.map(({ name_label }) => name_label)).toEqual(
      expect.arrayContaining(['loadavg', 'memory_free_kib', 'io_throughput_read_0123abcd']),
    );
    expect(await call('host.query_data_source', 'memory_free_kib')).toBe(2 ** 20);
    await call('host.record_data_source', 'loadavg');
    await call('host.forget_data_source_archives', 'loadavg');
    expect(await server.rig.refusal('host.query_data_source', HOST_REF, 'loadavg')).toEqual([
      'INVALID_VALUE',
      'data_source',
      'loadavg',
    ]);
  });
});
