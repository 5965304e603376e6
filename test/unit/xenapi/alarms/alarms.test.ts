import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordEvent } from '../../../../src/control/index.ts';
import { MAX_XEN_MESSAGE_TEXT, MAX_XEN_MESSAGES } from '../../../../src/xenapi/alarms/limits.ts';
import type { EventBatch } from '../../../../src/xenapi/events/events.ts';
import { HOST_REF, POOL_REF } from '../../../../src/xenapi/projections/site-records.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { told } from '../events/events-rig.ts';
import { type ServerRig, serverRig } from '../server-rig.ts';

let server: ServerRig;
beforeEach(async () => {
  server = await serverRig();
});
afterEach(() => server.close());

type Message = Readonly<Record<string, unknown>>;
const call = (method: string, ...given: unknown[]) => server.rig.call(method, ...given);
const all = async () => (await call('message.get_all_records')) as ReadonlyMap<string, Message>;
const uuidOf = (className: string, ref: string) => call(`${className}.get_uuid`, ref);

/** An event of the control plane, told as the service tells it. */
function happens(kind: string, subject: string, message = `${kind} of ${subject}`): void {
  const { control } = server.rig;
  recordEvent(control, { kind, subject, message });
  const [event] = control.catalog.events.find({
    ...{ limit: 1, before: undefined, subject: undefined, byActors: false },
  });
  if (event !== undefined) server.alarms.note(event);
}

describe('messages', () => {
  it('are written by clients about what there is, and are events', async () => {
    const poolUuid = await uuidOf('pool', POOL_REF);
    const token = ((await call('event.from', ['message'], '', 0)) as EventBatch).token;
    const ref = (await call('message.create', 'HELLO', 5, 'Pool', poolUuid, 'to all')) as string;
    expect(await call('message.get_record', ref)).toMatchObject({
      ...{ name: 'HELLO', priority: 5, cls: 'Pool', obj_uuid: poolUuid, body: 'to all' },
      timestamp: expect.any(Number),
    });
    const batch = (await call('event.from', ['message'], token, 0)) as EventBatch;
    expect(told(batch)).toEqual([`add message/${ref}`]);
    await call('message.destroy', ref);
    const after = (await call('event.from', ['message'], batch.token, 0)) as EventBatch;
    expect(told(after)).toEqual([`del message/${ref}`]);
    expect(told((await call('event.from', ['message'], '', 0)) as EventBatch)).toEqual([]);
  });

  it.each([
    ['Pool', 'none'],
    ['VM', 'none'],
  ])('are refused about what is not there: %s', async (cls, uuid) => {
    expect(await server.rig.refusal('message.create', 'X', 5, cls, uuid, '')).toEqual([
      'UUID_INVALID',
      cls,
      uuid,
    ]);
  });

  it('are found by object and time, and destroyed together', async () => {
    const [pool, host] = [await uuidOf('pool', POOL_REF), await uuidOf('host', HOST_REF)];
    const write = async (name: string, cls: string, uuid: unknown) =>
      (await call('message.create', name, 5, cls, uuid, '')) as string;
    const [a, b] = [await write('A', 'Pool', pool), await write('B', 'Host', host)];
    const keys = (found: unknown) => [...(found as Map<string, unknown>).keys()];
    expect(keys(await call('message.get', 'Host', host, 0))).toEqual([b]);
    expect(keys(await call('message.get_since', 0))).toEqual([a, b]);
    expect(keys(await call('message.get_since', Date.now() + 1e6))).toEqual([]);
    await call('message.destroy_many', [a, 'OpaqueRef:gone', b]);
    expect((await all()).size).toBe(0);
  });

  it('survive a restart', async () => {
    const folder = await temporaryFolder('alarms');
    const reopen = async () => {
      await server.close();
      server = await serverRig({ path: `${folder.path}/catalog.sqlite` });
    };
    try {
      await reopen();
      const pool = await uuidOf('pool', POOL_REF);
      for (const name of ['A', 'B', 'C']) await call('message.create', name, 5, 'Pool', pool, '');
      const before = await all();
      expect(before.size).toBe(3);
      await reopen();
      expect(await all()).toEqual(before);
    } finally {
      await folder.remove();
    }
  });

  it('are so many at most, and so long', async () => {
    const pool = await uuidOf('pool', POOL_REF);
    for (let number = 0; number < MAX_XEN_MESSAGES + 2; number++) {
      await call('message.create', `N${number}`, 5, 'Pool', pool, '');
    }
    const names = [...(await all()).values()].map(({ name }) => name);
    expect(names).toHaveLength(MAX_XEN_MESSAGES);
    expect([names[0], names.at(-1)]).toEqual(['N2', `N${MAX_XEN_MESSAGES + 1}`]);
    const long = 'x'.repeat(MAX_XEN_MESSAGE_TEXT + 1);
    expect(await server.rig.refusal('message.create', 'X', 5, 'Pool', pool, long)).toMatchObject({
      ...{ 0: 'VALUE_NOT_SUPPORTED', 1: 'body' },
    });
  });
});

describe('alarms', () => {
  it('become messages about what they happened to', async () => {
    happens('service.journal-damaged', 'service', 'the journal is damaged');
    happens('replication.failed', 'replication/nightly', 'could not send');
    happens('machine.added', 'machine/m1');
    const [journal, replication, ...others] = [...(await all()).values()];
    expect(journal).toMatchObject({
      ...{ name: 'JOURNAL_DAMAGED', priority: 1, cls: 'Host', body: 'the journal is damaged' },
      obj_uuid: await uuidOf('host', HOST_REF),
    });
    expect(replication).toMatchObject({
      ...{ name: 'REPLICATION_FAILED', priority: 3, cls: 'Pool', body: 'could not send' },
      obj_uuid: await uuidOf('pool', POOL_REF),
    });
    expect(others).toEqual([]);
  });

  it('tell that a repository answers again only when it was told that it did not', async () => {
    happens('repository.attached', 'repository/san1');
    expect((await all()).size).toBe(0);
    happens('repository.unreachable', 'repository/san1');
    happens('repository.attached', 'repository/san1');
    happens('repository.attached', 'repository/san1');
    expect([...(await all()).values()].map(({ name }) => name)).toEqual([
      'SR_UNREACHABLE',
      'SR_ATTACHED',
    ]);
  });

  it('never keep an event from having happened', () => {
    happens('repository.unreachable', 'repository/san1', 'x'.repeat(MAX_XEN_MESSAGE_TEXT + 1));
    expect(server.rig.troubles).toEqual([
      expect.stringContaining('a message of repository.unreachable could not be written'),
    ]);
  });
});
