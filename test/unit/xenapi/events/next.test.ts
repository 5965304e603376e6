import { beforeEach, describe, expect, it } from 'vitest';
import { EVENT_BATCH_MS, EVENT_NEXT_LONGEST_MS } from '../../../../src/xenapi/events/limits.ts';
import { MAX_DELETIONS } from '../../../../src/xenapi/objects/limits.ts';
import { EventsRig, SESSION, told, watched } from './events-rig.ts';

let rig: EventsRig;
beforeEach(() => {
  rig = new EventsRig();
});

describe('event.next', () => {
  it('is refused to who has not registered', async () => {
    const refusal = { description: ['SESSION_NOT_REGISTERED', SESSION] };
    await expect(rig.next()).rejects.toMatchObject(refusal);
    rig.events.register('OpaqueRef:other', ['*']);
    await expect(rig.next()).rejects.toMatchObject(refusal);
  });

  it('tells what changed since it was registered, and then since it told', async () => {
    rig.shelf('before');
    rig.events.register(SESSION, ['Shelf']);
    rig.shelf('a');
    rig.task('t');
    const first = await rig.next();
    expect(told({ events: first })).toEqual(['add shelf/OpaqueRef:a']);
    expect(first[0]?.timestamp).toBe(String(rig.timers.now() / 1000));
    rig.events.register(SESSION, ['task']);
    rig.task('t', 0.5);
    rig.remove('Shelf', 'a');
    expect(told({ events: await rig.next() })).toEqual([
      'mod task/OpaqueRef:t',
      'del shelf/OpaqueRef:a',
    ]);
  });

  it('waits for a change, and is answered with nothing when none comes', async () => {
    rig.events.register(SESSION, ['shelf']);
    const waiting = watched(rig.next());
    await rig.later(EVENT_NEXT_LONGEST_MS - 1);
    expect(waiting.isSettled).toBe(false);
    rig.shelf('s');
    await rig.later(EVENT_BATCH_MS);
    expect(told({ events: waiting.value ?? [] })).toEqual(['add shelf/OpaqueRef:s']);
    const other = watched(rig.next());
    await rig.later(EVENT_NEXT_LONGEST_MS);
    expect(other.value).toEqual([]);
  });

  it('tells each change to one of several calls of a session', async () => {
    rig.events.register(SESSION, ['*']);
    const calls = [watched(rig.next()), watched(rig.next())];
    rig.shelf('a');
    await rig.later(EVENT_BATCH_MS);
    expect(calls.map(({ isSettled }) => isSettled)).toEqual([true, false]);
    rig.shelf('b');
    await rig.later(EVENT_BATCH_MS);
    expect(told({ events: calls[1]?.value ?? [] })).toEqual(['add shelf/OpaqueRef:b']);
  });

  it('does not tell of what was unregistered', async () => {
    rig.events.register(SESSION, ['shelf', 'task']);
    rig.events.unregister(SESSION, ['TASK']);
    rig.task('t');
    rig.shelf('s');
    expect(told({ events: await rig.next() })).toEqual(['add shelf/OpaqueRef:s']);
  });

  it('says once that events are lost, and goes on from there', async () => {
    rig.events.register(SESSION, ['*']);
    for (let shelf = 0; shelf < 3 * MAX_DELETIONS; shelf++) {
      rig.shelf(`s${shelf}`);
      rig.remove('Shelf', `s${shelf}`);
    }
    await expect(rig.next()).rejects.toMatchObject({ description: ['EVENTS_LOST'] });
    rig.shelf('s');
    expect(told({ events: await rig.next() })).toEqual(['add shelf/OpaqueRef:s']);
  });

  it('ends with its session, which is registered no more', async () => {
    rig.events.register(SESSION, ['*']);
    const waiting = watched(rig.next());
    rig.end(SESSION);
    await rig.later(0);
    expect(waiting.error).toMatchObject({ description: ['SESSION_INVALID', SESSION] });
    await expect(rig.next()).rejects.toMatchObject({
      description: ['SESSION_NOT_REGISTERED', SESSION],
    });
  });
});
