/** GET /boot/personality over a real listener, as a guest's curl asks it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PersonalityFormat } from '../../../../src/pxe/boot-catalog.ts';
import type { PxeEvent } from '../../../../src/pxe/events.ts';
import { type BootHttpServer, startHttpServer } from '../../../../src/pxe/http/server.ts';
import { EMPTY_BOOT_CATALOG } from '../../../support/empty-boot-catalog.ts';

const MAC = '52:54:00:12:34:56';

describe('the personality of a machine', () => {
  const events: PxeEvent[] = [];
  const asked: [string, PersonalityFormat][] = [];
  let failure: Error | undefined;
  let server: BootHttpServer;
  let base: string;

  beforeAll(async () => {
    server = await startHttpServer({
      address: '127.0.0.1',
      port: 0,
      catalog: {
        ...EMPTY_BOOT_CATALOG,
        personality: (mac, format) => {
          if (failure !== undefined) throw failure;
          asked.push([mac, format]);
          return mac === MAC ? `${format} of ${mac} ü\n` : undefined;
        },
      },
      loaders: { load: async (file) => ({ kind: 'missing', file, message: 'none' }) },
      script: async () => '#!ipxe\n',
      report: (event) => events.push(event),
    });
    base = `http://127.0.0.1:${server.bound.port}/boot/personality`;
  });
  afterAll(() => server.close());

  it('is JSON unless lines are asked for, and nothing caches it', async () => {
    const json = await fetch(`${base}?mac=52-54-00-12-34-56`);
    expect(json.status).toBe(200);
    expect(json.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(json.headers.get('cache-control')).toBe('no-store');
    expect(await json.text()).toBe(`json of ${MAC} ü\n`);
    const env = await fetch(`${base}?mac=525400123456&format=env`);
    expect(env.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await env.text()).toBe(`env of ${MAC} ü\n`);
    expect(asked).toEqual([
      [MAC, 'json'],
      [MAC, 'env'],
    ]);
  });

  it('is not sent to HEAD, nor to a machine that has none', async () => {
    const head = await fetch(`${base}?mac=${MAC}`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const unknown = await fetch(`${base}?mac=52:54:00:00:00:99`);
    expect([unknown.status, await unknown.text()]).toEqual([404, 'no such file\n']);
  });

  it.each([
    ['', 'mac: expected a MAC address\n'],
    ['?mac=pc-1', 'mac: expected a MAC address\n'],
    [`?mac=${MAC}&mac=${MAC}`, 'mac: expected a MAC address\n'],
    [`?mac=${MAC}&format=xml`, 'format: expected json or env\n'],
    [`?mac=${MAC}&format=json&format=env`, 'format: expected json or env\n'],
  ])('says what is wrong with %j', async (query, text) => {
    const answer = await fetch(`${base}${query}`);
    expect([answer.status, await answer.text()]).toEqual([400, text]);
  });

  it('that cannot be looked up tells the guest nothing of the inside', async () => {
    failure = new Error('secret');
    const answer = await fetch(`${base}?mac=${MAC}`);
    failure = undefined;
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret');
    expect(events).toMatchObject([{ type: 'failure', where: 'http' }]);
  });
});
