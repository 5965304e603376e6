import { beforeEach, describe, expect, it } from 'vitest';
import {
  EVENT_BATCH_MS,
  MAX_EVENT_WAITERS_OF_SESSION,
} from '../../../../src/xenapi/events/limits.ts';
import { MAX_DELETIONS } from '../../../../src/xenapi/objects/limits.ts';
import { EventsRig, refOf, told, watched } from './events-rig.ts';

let rig: EventsRig;
beforeEach(() => {
  rig = new EventsRig();
});

describe('event.from', () => {
  it('tells of each object once at the beginning, as it is', async () => {
    const shelf = rig.shelf('s');
    rig.book('b', shelf, 7);
    const batch = await rig.from(['*']);
    // The shelf last: that a book stands on it is a change of it.
    expect(told(batch)).toEqual(['add book/OpaqueRef:b', 'add shelf/OpaqueRef:s']);
    const [book, shelfEvent] = batch.events;
    expect(book).toMatchObject({ timestamp: '0.0', id: expect.stringMatching(/^\d+$/) });
    const snapshot = (event = book): unknown => event?.snapshot?.value;
    expect(snapshot(book)).toMatchObject({ uuid: 'b', pages: 7, shelf });
    expect(snapshot(shelfEvent)).toMatchObject({ books: [refOf('b')] });
    expect(
      batch.events.map(({ snapshot: of }) => (of?.type as { name?: string } | undefined)?.name),
    ).toEqual(['Book', 'Shelf']);
  });

  it('counts the objects of all classes, whatever it was asked for', async () => {
    rig.shelf('s');
    rig.shelf('t');
    const { valid_ref_counts: counts } = await rig.from(['book']);
    expect([...counts]).toEqual([
      ['shelf', 2],
      ['book', 0],
      ['task', 0],
    ]);
  });

  it('gives tokens of two numbers of 20 digits, which compare as texts', async () => {
    const first = await rig.now();
    rig.shelf('s');
    const second = await rig.now();
    for (const token of [first, second]) expect(token).toMatch(/^\d{20},\d{20}$/);
    expect(second > first).toBe(true);
  });

  it('tells an object that changed often once, and one that came and went not at all', async () => {
    rig.shelf('old');
    rig.shelf('gone');
    const token = await rig.now();
    for (let label = 0; label < 5; label++) rig.shelf('old', `label ${label}`);
    rig.shelf('new');
    rig.remove('Shelf', 'gone');
    rig.shelf('passing');
    rig.remove('Shelf', 'passing');
    const batch = await rig.from(['*'], token);
    expect(told(batch)).toEqual([
      'add shelf/OpaqueRef:new',
      'mod shelf/OpaqueRef:old',
      'del shelf/OpaqueRef:gone',
    ]);
    const [added, changed, deleted] = batch.events;
    expect(changed?.snapshot?.value).toMatchObject({ name_label: 'label 4' });
    expect(added?.snapshot).toBeDefined();
    expect(deleted?.snapshot).toBeUndefined();
  });

  it('tells who knew an object that it is gone, also when another of its name came and went', async () => {
    rig.shelf('s');
    const token = await rig.now();
    rig.remove('Shelf', 's');
    rig.shelf('s');
    rig.remove('Shelf', 's');
    expect(told(await rig.from(['*'], token))).toEqual(['del shelf/OpaqueRef:s']);
  });

  it.each([
    ['classes in any case', ['sHELF'], ['add shelf/OpaqueRef:s']],
    ['single objects', ['Book/OpaqueRef:b', 'shelf/OpaqueRef:none'], ['add book/OpaqueRef:b']],
    ['classes that nobody knows: nothing', ['VTPM'], []],
    ['no classes: nothing', [], []],
  ])('is asked for %s', async (_what, classes, expected) => {
    rig.book('b', rig.shelf('s'));
    rig.book('c', refOf('s'));
    expect(told(await rig.from(classes))).toEqual(expected);
  });

  it.each(['', '/OpaqueRef:b', 'Shelf/', 'VM VDI', '**'])(
    'does not understand %j',
    async (text) => {
      await expect(rig.from([text])).rejects.toMatchObject({
        description: ['EVENT_SUBSCRIPTION_PARSE_FAILURE', text],
      });
    },
  );

  it.each(['1', '1,', ',1', 'a,b', '1,2,3', '-1,0', '1.5,0', `${'1'.repeat(21)},0`])(
    'does not understand the token %j',
    async (token) => {
      await expect(rig.from(['*'], token)).rejects.toMatchObject({
        description: ['EVENT_FROM_TOKEN_PARSE_FAILURE', token],
      });
    },
  );

  it.each([
    ['of a run before', '00000000000000000099,00000000000000000000'],
    ['of the future', '99999999999999999999,00000000000000000000'],
  ])('says that events are lost for a token %s', async (_what, token) => {
    rig.shelf('s');
    await expect(rig.from(['*'], token)).rejects.toMatchObject({ description: ['EVENTS_LOST'] });
  });

  it('says that events are lost when more deletions came than are remembered', async () => {
    const token = await rig.now();
    for (let shelf = 0; shelf < 3 * MAX_DELETIONS; shelf++) {
      rig.shelf(`s${shelf}`);
      rig.remove('Shelf', `s${shelf}`);
    }
    await expect(rig.from(['*'], token)).rejects.toMatchObject({ description: ['EVENTS_LOST'] });
    expect(told(await rig.from(['*']))).toEqual([]);
  });
});

describe('event.from that waits', () => {
  it('is answered a moment after the first change, with all that came until then', async () => {
    const waiting = watched(rig.from(['shelf'], await rig.now(), 60));
    await rig.later(1000);
    expect(waiting.isSettled).toBe(false);
    rig.shelf('a');
    await rig.later(EVENT_BATCH_MS - 1);
    expect(waiting.isSettled).toBe(false);
    rig.shelf('b');
    await rig.later(1);
    expect(told(waiting.value ?? { events: [] })).toEqual([
      'add shelf/OpaqueRef:a',
      'add shelf/OpaqueRef:b',
    ]);
  });

  it('is answered without delay when it waits for tasks only', async () => {
    const waiting = watched(rig.from(['Task', 'task/OpaqueRef:t'], await rig.now(), 60));
    rig.task('t', 0.5);
    await rig.later(0);
    expect(told(waiting.value ?? { events: [] })).toEqual(['add task/OpaqueRef:t']);
  });

  it('is answered with nothing and a token when its time is over', async () => {
    const waiting = watched(rig.from(['shelf'], await rig.now(), 2.5));
    rig.task('t');
    await rig.later(2499);
    expect(waiting.isSettled).toBe(false);
    await rig.later(1);
    const { events, token = '', valid_ref_counts } = waiting.value ?? {};
    expect(events).toEqual([]);
    expect(valid_ref_counts?.get('task')).toBe(1);
    rig.shelf('s');
    expect(told(await rig.from(['shelf'], token))).toEqual(['add shelf/OpaqueRef:s']);
  });

  it.each([
    ['no classes', [], 3600, 3_600_000],
    ['a negative time, which is a day', ['shelf'], -1, 86_400_000],
    ['more than a day, which is one', ['shelf'], 1e9, 86_400_000],
  ])('waits with %s', async (_what, classes, timeout, ms) => {
    const waiting = watched(rig.from(classes, await rig.now(), timeout));
    await rig.later(ms - 1);
    expect(waiting.isSettled).toBe(false);
    await rig.later(1);
    expect(waiting.value?.events).toEqual([]);
  });

  it('goes on waiting when what came is gone again', async () => {
    const waiting = watched(rig.from(['shelf'], await rig.now(), 60));
    rig.shelf('s');
    rig.remove('Shelf', 's');
    await rig.later(10_000);
    expect(waiting.isSettled).toBe(false);
    rig.shelf('s');
    await rig.later(EVENT_BATCH_MS);
    expect(told(waiting.value ?? { events: [] })).toEqual(['add shelf/OpaqueRef:s']);
  });

  it('does not hear of other objects than it asked for', async () => {
    const [one, other] = [rig.shelf('one'), rig.shelf('other')];
    const waiting = watched(rig.from([`Shelf/${one}`], await rig.now(), 60));
    rig.objects.touch('Shelf', other);
    await rig.later(10_000);
    expect(waiting.isSettled).toBe(false);
    rig.objects.touch('Shelf', one);
    await rig.later(EVENT_BATCH_MS);
    expect(told(waiting.value ?? { events: [] })).toEqual(['mod shelf/OpaqueRef:one']);
  });

  it('disturbs no other call of its session', async () => {
    const token = await rig.now();
    const shelves = watched(rig.from(['shelf'], token, 60));
    const tasks = watched(rig.from(['task'], token, 60));
    const all = watched(rig.from(['*'], token, 60));
    rig.task('t');
    await rig.later(EVENT_BATCH_MS);
    expect([shelves.isSettled, tasks.isSettled, all.isSettled]).toEqual([false, true, true]);
    rig.shelf('s');
    await rig.later(EVENT_BATCH_MS);
    expect(told(shelves.value ?? { events: [] })).toEqual(['add shelf/OpaqueRef:s']);
  });

  it('gives those who wait for the same the same, made once', async () => {
    const token = await rig.now();
    const many = Array.from({ length: 50 }, (_, index) =>
      rig.from(['*'], token, 60, { session: `OpaqueRef:${index}` }),
    );
    rig.shelf('s');
    await rig.later(EVENT_BATCH_MS);
    expect(new Set(await Promise.all(many)).size).toBe(1);
  });

  it('ends when its session does, with SESSION_INVALID; others go on', async () => {
    const token = await rig.now();
    const mine = watched(rig.from(['*'], token, 60, { session: 'OpaqueRef:mine' }));
    const other = watched(rig.from(['*'], token, 60));
    rig.end('OpaqueRef:mine');
    await rig.later(0);
    expect(mine.error).toMatchObject({ description: ['SESSION_INVALID', 'OpaqueRef:mine'] });
    expect(other.isSettled).toBe(false);
  });

  it('ends when its client is gone, and leaves nothing behind', async () => {
    const gone = new AbortController();
    const waiting = watched(rig.from(['*'], await rig.now(), 60, { signal: gone.signal }));
    expect(rig.timers.pending).toBe(1);
    gone.abort(new Error('gone'));
    await rig.later(0);
    expect(waiting.error).toMatchObject({ description: ['INTERNAL_ERROR', 'the client is gone'] });
    expect(rig.timers.pending).toBe(0);
  });

  it('is refused when a session has too many of them', async () => {
    const token = await rig.now();
    const waiting = Array.from({ length: MAX_EVENT_WAITERS_OF_SESSION }, () =>
      rig.from(['*'], token, 60),
    );
    await expect(rig.from(['*'], token, 60)).rejects.toMatchObject({
      description: ['TOO_MANY_PENDING_TASKS'],
    });
    rig.events.close();
    const batches = await Promise.all(waiting);
    expect(batches.every(({ events }) => events.length === 0)).toBe(true);
    expect(rig.timers.pending).toBe(0);
  });

  it('says that events are lost when they were while it waited', async () => {
    const waiting = watched(rig.from(['*'], await rig.now(), 60));
    for (let shelf = 0; shelf < 3 * MAX_DELETIONS; shelf++) {
      rig.shelf(`s${shelf}`);
      rig.remove('Shelf', `s${shelf}`);
    }
    await rig.later(EVENT_BATCH_MS);
    expect(waiting.error).toMatchObject({ description: ['EVENTS_LOST'] });
  });
});

describe('event.inject', () => {
  it('says the token just before a change of the object, which wakes who waits', async () => {
    const shelf = rig.shelf('s');
    const waiting = watched(rig.from(['shelf'], await rig.now(), 60));
    const token = rig.events.inject('shelf', shelf);
    await rig.later(EVENT_BATCH_MS);
    expect(told(waiting.value ?? { events: [] })).toEqual(['mod shelf/OpaqueRef:s']);
    expect(told(await rig.from(['*'], token))).toEqual(['mod shelf/OpaqueRef:s']);
  });

  it.each([
    ['of another class', 'Book', 's'],
    ['that is not there', 'Shelf', 'none'],
    ['of no class', 'VM', 's'],
  ])('refuses an object %s', (_what, className, name) => {
    rig.shelf('s');
    expect(() => rig.events.inject(className, refOf(name))).toThrow(
      `HANDLE_INVALID, ${className}, OpaqueRef:${name}`,
    );
  });
});
