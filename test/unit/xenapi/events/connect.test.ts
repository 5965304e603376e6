/** What Xen Orchestra's library does to connect, and to stay connected (reference, 4.1), by hand. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventBatch } from '../../../../src/xenapi/events/events.ts';
import { laterTurns } from '../manual-timers.ts';
import { type ServerRig, serverRig, sessionEnd } from '../server-rig.ts';
import { told, watched } from './events-rig.ts';

let server: ServerRig;
beforeEach(async () => {
  server = await serverRig();
});
afterEach(() => server.close());

type AnyRecord = Readonly<Record<string, unknown>>;
const call = (method: string, ...parameters: unknown[]) => server.rig.call(method, ...parameters);
const records = async (name: string) =>
  (await call(`${name}.get_all_records`)) as ReadonlyMap<string, AnyRecord>;
const only = async (name: string): Promise<readonly [string, AnyRecord]> => {
  const all = [...(await records(name))];
  expect(all).toHaveLength(1);
  return all[0] as [string, AnyRecord];
};

describe('Xen Orchestra', () => {
  it('finds everything that it looks into', async () => {
    const [poolRef, pool] = await only('pool');
    const [hostRef, host] = await only('host');
    const [metricsRef, metrics] = await only('host_metrics');
    expect(pool).toMatchObject({ master: hostRef, uuid: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    for (const map of ['restrictions', 'other_config', 'current_operations', 'cpu_info']) {
      expect(pool[map]).toBeInstanceOf(Map);
    }
    expect(pool['ha_statefiles']).toEqual([]);
    for (const map of ['license_params', 'other_config', 'chipset_info', 'bios_strings']) {
      expect(host[map]).toBeInstanceOf(Map);
    }
    const version = host['software_version'] as ReadonlyMap<string, string>;
    for (const key of [
      'product_brand',
      'product_version',
      'build_number',
      'platform_version',
      'xapi',
    ]) {
      expect(version.get(key)).toBeTruthy();
    }
    expect(host).toMatchObject({ metrics: metricsRef, capabilities: [], enabled: true });
    expect(host['PIFs']).toEqual([(await only('PIF'))[0]]);
    expect(metrics).toMatchObject({ live: true, memory_total: 2 ** 32, memory_free: 2 ** 30 });
    expect(poolRef).toMatch(/^OpaqueRef:/);
  });

  it('learns its classes from system.listMethods, and all of them can be listed', async () => {
    const methods = (await call('system.listMethods')) as readonly string[];
    const types = methods
      .filter((method) => method.endsWith('.get_all_records'))
      .map((method) => method.slice(0, -'.get_all_records'.length));
    expect(types).toEqual(expect.arrayContaining(['pool', 'host', 'task', 'message', 'network']));
    expect(types).not.toContain('event');
    for (const type of types) expect(await records(type)).toBeInstanceOf(Map);
  });

  it('hears of the end of what it began, from the token that event.inject gave', async () => {
    const [poolRef] = await only('pool');
    const token = await call('event.inject', 'pool', poolRef);
    const types = ['pool', 'host', 'task'];
    const first = (await call('event.from', types, token, 60.1)) as EventBatch;
    expect(told(first)).toEqual([`mod pool/${poolRef}`]);

    const waiting = watched(call('event.from', types, first.token, 60.1) as Promise<EventBatch>);
    const task = (await call('Async.pool.sync_database')) as string;
    await laterTurns();
    server.timers.pass(100);
    await laterTurns();
    const batch = waiting.value;
    expect(told(batch ?? { events: [] })).toEqual([`add task/${task}`]);
    expect(batch?.events[0]?.snapshot?.value).toMatchObject({ status: 'success', result: '' });
    expect(batch?.valid_ref_counts.get('task')).toBe((await records('task')).size);

    await call('task.destroy', task);
    const gone = (await call('event.from', types, batch?.token, 60.1)) as EventBatch;
    expect(told(gone)).toEqual([`del task/${task}`]);
    expect(gone.valid_ref_counts.get('task')).toBe(0);
  });

  it('sees its barrier pass', async () => {
    const [poolRef] = await only('pool');
    const token = await call('event.inject', 'pool', poolRef);
    await call('pool.add_to_other_config', poolRef, 'xo:barrier:1', '123');
    const { events } = (await call('event.from', ['pool'], token, 60.1)) as EventBatch;
    const [seen] = events.map(({ snapshot }) => snapshot?.value as AnyRecord);
    expect(seen?.['other_config']).toEqual(new Map([['xo:barrier:1', '123']]));
    await call('pool.remove_from_other_config', poolRef, 'xo:barrier:1');
    await call('pool.remove_from_other_config', poolRef, 'never there');
    expect(await call('pool.get_other_config', poolRef)).toEqual(new Map());
  });

  it('is told that its session is over while it waits', async () => {
    const token = ((await call('event.from', ['pool'], '', 0)) as EventBatch).token;
    const waiting = watched(call('event.from', ['pool'], token, 60.1));
    await laterTurns();
    server.ends.get('OpaqueRef:session')?.abort(sessionEnd('OpaqueRef:session'));
    await laterTurns();
    expect(waiting.error).toMatchObject({ description: ['SESSION_INVALID', 'OpaqueRef:session'] });
  });

  it('is not waited for when it is gone', async () => {
    const { token } = (await call('event.from', ['pool'], '', 0)) as EventBatch;
    const gone = new AbortController();
    server.rig.gone = gone.signal;
    const waiting = watched(call('event.from', ['pool'], token, 60.1));
    await laterTurns();
    expect(server.timers.pending).toBe(1);
    gone.abort();
    await laterTurns();
    expect(waiting.isSettled).toBe(true);
    expect(server.timers.pending).toBe(0);
    expect(server.rig.troubles).toEqual([]);
  });

  it('uses the old names of messages, too', async () => {
    const task = (await call('task_create', 'label', 'description')) as string;
    await call('task_set_status', task, 'success');
    expect(await call('task.get_status', task)).toBe('success');
  });
});

describe('typed SDKs', () => {
  it('find the version of the API, and that of xapi', async () => {
    const [hostRef] = await only('host');
    expect(await call('host.get_API_version_major', hostRef)).toBe(2);
    expect(await call('host.get_API_version_minor', hostRef)).toBe(21);
    expect(await call('pool.get_master', (await only('pool'))[0])).toBe(hostRef);
  });

  it('are answered what there is not', async () => {
    const [hostRef] = await only('host');
    expect(await server.rig.refusal('host.call_plugin', hostRef, 'trim', 'do', new Map())).toEqual([
      'XENAPI_MISSING_PLUGIN',
      'trim',
    ]);
    expect(await server.rig.refusal('host.call_extension', hostRef, 'Test.it')).toEqual([
      'MESSAGE_METHOD_UNKNOWN',
      'Test.it',
    ]);
    expect(await server.rig.refusal('Async.event.from', ['*'], '', 0)).toMatchObject({
      0: 'INTERNAL_ERROR',
    });
  });
});
