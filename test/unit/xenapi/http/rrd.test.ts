import { type FastifyInstance, fastify } from 'fastify';
import { SaxesParser } from 'saxes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeClass, field } from '../../../../src/xenapi/datamodel/description.ts';
import { rrdRoutes } from '../../../../src/xenapi/http/rrd.ts';
import { refOf } from '../../../../src/xenapi/objects/refs.ts';
import { XenError } from '../../../../src/xenapi/xen-error.ts';
import { type ServerRig, serverRig } from '../server-rig.ts';

const SR = describeClass({
  name: 'SR',
  doc: 'Storage',
  role: 'pool-operator',
  fields: { uuid: field('string', 'dynamic', 'Its own') },
  messages: {},
});
const UUID = '0123abcd-0000-4000-8000-000000000001';
/** Seconds. */
const START = 1_700_000_000;
const MEBIBYTE = 2 ** 20;

const VDI = describeClass({
  name: 'VDI',
  doc: 'A disk',
  role: 'vm-admin',
  fields: { uuid: field('string', 'dynamic', 'Its own') },
  messages: {},
});

let server: ServerRig;
let app: FastifyInstance;
let released = 0;
beforeEach(async () => {
  server = await serverRig({ classes: [SR, VDI] });
  server.xen.objects.put('SR', refOf('SR', 'r1'), { uuid: UUID }, { kind: 'repository', id: 'r1' });
  for (const id of ['v1', 'v2']) {
    server.xen.objects.put('VDI', refOf('VDI', id), { uuid: id }, { kind: 'volume', id });
  }
  for (let sample = 0; sample < 4; sample++) {
    const bytes = sample * 10 * MEBIBYTE;
    const counters = { bytesRead: bytes, bytesWritten: 0, readRequests: 0, writeRequests: 0 };
    server.transferred.set('r1', counters);
    for (const id of ['v1', 'v2']) server.ofDisks.set(id, { ...counters, readRequests: sample });
    server.figures.observe((START + 5 * sample) * 1000);
  }
  app = fastify();
  released = 0;
  rrdRoutes(app, {
    ...{ figures: server.figures, objects: server.xen.objects },
    authenticate: async ({ url }) => {
      if (url.includes('session_id=bad')) throw new XenError('SESSION_INVALID', ['bad']);
      if (!url.includes('session_id=good')) return undefined;
      const caller = { session: 'good', user: 'anna', role: 'read-only' as const };
      return { caller, ended: new AbortController().signal, release: () => void released++ };
    },
  });
});
afterEach(async () => {
  await app.close();
  await server.close();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  app.inject({ method: 'GET', url: path, headers });

/** Texts of all elements of a name. */
function elements(xml: string, name: string): readonly string[] {
  const found: string[] = [];
  let text = '';
  const parser = new SaxesParser();
  parser.on('opentag', () => {
    text = '';
  });
  parser.on('text', (more) => {
    text += more;
  });
  parser.on('closetag', (tag) => {
    if (tag.name === name) found.push(text);
  });
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(xml).close();
  return found;
}

describe('/rrd_updates', () => {
  const query = `session_id=good&start=${START - 600}&cf=AVERAGE&interval=5&host=true`;

  it('is what Xen Orchestra draws: the newest row first, numbers as texts', async () => {
    const reply = await get(`/rrd_updates?${query}&json=true`);
    expect(reply.headers['content-type']).toBe('application/json');
    const { meta, data } = reply.json() as {
      meta: { legend: string[]; [name: string]: unknown };
      data: { t: number; values: string[] }[];
    };
    expect(meta).toMatchObject({ step: 5, end: START + 15, rows: data.length });
    expect(meta['columns']).toBe(meta.legend.length);
    const name = `AVERAGE:host:${server.figures.hostUuid}:io_throughput_read_0123abcd`;
    const column = meta.legend.indexOf(name);
    expect(/^AVERAGE:([^:]+):(.+):(.+)$/.exec(name)?.slice(1)).toEqual([
      'host',
      server.figures.hostUuid,
      'io_throughput_read_0123abcd',
    ]);
    expect(data.slice(0, 4).map(({ t, values }) => [t, values[column]])).toEqual([
      [START + 15, '2.0000'],
      [START + 10, '2.0000'],
      [START + 5, '2.0000'],
      [START, 'NaN'],
    ]);
    expect(released).toBe(1);
  });

  it('is XML for who does not take JSON', async () => {
    const reply = await get(`/rrd_updates?${query}`);
    expect(reply.headers['content-type']).toBe('text/xml');
    expect(elements(reply.body, 'entry')).toContain(
      `AVERAGE:host:${server.figures.hostUuid}:iops_read_0123abcd`,
    );
    expect(elements(reply.body, 't')[0]).toBe(String(START + 15));
    const byAccept = await get(`/rrd_updates/?${query}`, { accept: '*/*' });
    expect(byAccept.headers['content-type']).toBe('application/json');
  });

  it.each([
    ['', []],
    ['&vdi_uuid=v1', ['v1']],
    ['&vdi_uuid=v1&vdi_uuid=v2', ['v1', 'v2']],
    ['&vdi_uuid=none', []],
    ['&vdi=true', ['v1', 'v2']],
    ['&vdi=false', []],
    ['&vdi=true&cf=MAX', []],
  ])('has VDIs for who asks: %s', async (asked, uuids) => {
    const reply = await get(`/rrd_updates?session_id=good&start=${START}&json=true${asked}`);
    const { meta, data } = reply.json() as {
      meta: { legend: string[] };
      data: { t: number; values: string[] }[];
    };
    expect(meta.legend).toHaveLength(6 * uuids.length);
    expect(meta.legend.filter((name) => name.endsWith(':io_throughput_read'))).toEqual(
      uuids.map((uuid) => `AVERAGE:vdi:${uuid}:io_throughput_read`),
    );
    expect(data[0]?.t).toBe(START + 15);
    if (uuids.length > 0) expect(data[0]?.values[0]).toBe('2.0000');
  });

  it('has VDIs besides the host, after it', async () => {
    const { meta } = (await get(`/rrd_updates?${query}&json=true&vdi_uuid=v2`)).json() as {
      meta: { legend: string[] };
    };
    const { meta: before } = (await get(`/rrd_updates?${query}&json=true`)).json() as {
      meta: { legend: string[] };
    };
    expect(meta.legend.slice(0, -6)).toEqual(before.legend);
    expect(meta.legend.at(-1)).toBe('AVERAGE:vdi:v2:iops_total');
    expect(before.legend.join()).not.toContain(':vdi:');
  });

  it('has nothing but the host, and VDIs that are asked for', async () => {
    const reply = await get(`/rrd_updates?session_id=good&start=${START}&json=true`);
    expect(reply.json()).toMatchObject({ meta: { columns: 0, legend: [] } });
  });

  it.each([
    ['401', '/rrd_updates?start=0'],
    ['401', '/rrd_updates?session_id=bad&start=0'],
    ['400', '/rrd_updates?session_id=good&start=yesterday'],
    ['404', '/sr_rrd?session_id=good&uuid=none'],
  ])('answers %s to %s', async (status, path) => {
    const reply = await get(path);
    expect(String(reply.statusCode)).toBe(status);
    if (status === '401') expect(reply.headers['www-authenticate']).toMatch(/^Basic realm="/);
    expect(released).toBe(status === '401' ? 0 : 1);
  });
});

describe('/host_rrd and /sr_rrd', () => {
  it('dump all archives', async () => {
    const host = await get('/host_rrd?session_id=good&json=true');
    const { ds, rra } = host.json() as { ds: { name: string }[]; rra: { database: string[][] }[] };
    expect(ds.map(({ name }) => name)).toContain('loadavg');
    expect(rra.map(({ database }) => database.length)).toEqual([120, 120, 168, 366]);
    expect(rra[0]?.database.at(-1)).toHaveLength(ds.length);

    const sr = await get(`/sr_rrd?session_id=good&uuid=${UUID}`);
    expect(elements(sr.body, 'name')).toHaveLength(6);
    expect(elements(sr.body, 'lastupdate')).toEqual([String(START + 15)]);
  });
});
