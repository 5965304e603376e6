import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextTime, snapshotNameAt } from '../../../../src/control/storage/rhythm.ts';
import { hide, withoutSecrets } from '../../../../src/control/storage/without-secrets.ts';
import { nextCron, parseCron } from '../../../../src/control/values/cron.ts';
import { durationText, parseDuration } from '../../../../src/control/values/duration.ts';
import { freeName, isNameOf } from '../../../../src/control/values/free-name.ts';
import { isName } from '../../../../src/control/values/name.ts';
import { expired } from '../../../../src/control/values/retention.ts';
import { parseVolumeAddress } from '../../../../src/control/values/storage-address.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { SEED } from '../../../support/seed.ts';

const DAY = 86_400_000;
const at = (text: string): number => Date.parse(text);

describe('cron', () => {
  test.each([
    ['* * * * *', '2026-01-02T03:04:05Z', '2026-01-02T03:05:00Z'],
    ['*/15 * * * *', '2026-01-02T03:45:00Z', '2026-01-02T04:00:00Z'],
    ['5/20 1-3,22 * * *', '2026-01-02T03:46:00Z', '2026-01-02T22:05:00Z'],
    ['0 2 * * sun', '2026-01-02T00:00:00Z', '2026-01-04T02:00:00Z'],
    ['0 2 * * 7', '2026-01-02T00:00:00Z', '2026-01-04T02:00:00Z'],
    ['0 0 1 JAN *', '2026-01-02T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['0 0 29 2 *', '2097-01-01T00:00:00Z', '2104-02-29T00:00:00Z'],
    // Either day will do when both are given, as cron does it.
    ['0 0 13 * fri', '2026-01-10T00:00:00Z', '2026-01-13T00:00:00Z'],
    ['0 0 */2 * *', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'],
  ])('%s after %s is %s', (text, now, next) => {
    expect(parseCron(text, 'f')).toBe(text);
    expect(new Date(nextCron(text, at(now))).toISOString()).toBe(new Date(next).toISOString());
  });

  test.each([
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    '1/2/3 * * * *',
    '1-2-3 * * * *',
    'a * * * *',
    '-1 * * * *',
    '1.5 * * * *',
    '0 0 30 feb *',
    `${'0,'.repeat(60)}0 * * * *`,
  ])('%j is refused', (text) => {
    expect(() => parseCron(text, 'f')).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        details: { field: 'f', value: text, expected: expect.any(String) },
      }),
    );
  });

  test('the next time fits, and none before it does', () => {
    const minute = fc.integer({ min: 0, max: 59 });
    const hour = fc.integer({ min: 0, max: 23 });
    const weekday = fc.integer({ min: 0, max: 6 });
    const now = fc.integer({ min: 0, max: 100 * 365 * DAY });
    fc.assert(
      fc.property(minute, hour, weekday, now, (m, h, d, start) => {
        const next = nextCron(`${m} ${h} * * ${d}`, start);
        const date = new Date(next);
        expect([date.getUTCMinutes(), date.getUTCHours(), date.getUTCDay()]).toEqual([m, h, d]);
        expect(next).toBeGreaterThan(start);
        expect(next - start).toBeLessThanOrEqual(7 * DAY);
      }),
      { seed: SEED },
    );
  });
});

describe('intervals', () => {
  test('are read and written', () => {
    const range = { least: 1000, most: 366 * DAY };
    for (const text of ['90s', '15m', '1h', '36h', '1d', '2w']) {
      expect(durationText(parseDuration(text, 'f', range))).toBe(text);
    }
    expect(parseDuration('15 min', 'f', range)).toBe(900_000);
    for (const text of ['', '0s', '1', '1.5h', '-1h', '1y', '2000d', '1h30m']) {
      expect(() => parseDuration(text, 'f', range)).toThrow(/f is not a usable time/);
    }
  });

  test('keep their beat, whatever was missed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 60_000, max: 40 * DAY }),
        fc.integer({ min: 0, max: 1e13 }),
        fc.integer({ min: 0, max: 1e12 }),
        (every, since, later) => {
          const next = nextTime({ every }, since, since + later);
          expect((next - since) % every).toBe(0);
          expect(next).toBeGreaterThan(since + later);
          expect(next - (since + later)).toBeLessThanOrEqual(every);
        },
      ),
      { seed: SEED },
    );
  });

  test('names hold the time, and are names', () => {
    const name = snapshotNameAt({ prefix: 'night' }, at('2027-01-31T06:00:00.123Z'));
    expect(name).toBe('night-20270131t060000z');
  });
});

describe('retention', () => {
  const snapshot = (text: string) => ({ id: text, createdAt: at(text) });
  const gone = (times: readonly string[], keep: object) =>
    expired(times.map(snapshot), keep).map(({ id }) => id);

  test('of each period the newest stays', () => {
    const times = [
      '2026-01-01T00:00:00Z', // Thursday
      '2026-01-04T23:00:00Z', // Sunday
      '2026-01-05T00:00:00Z', // Monday
      '2026-01-05T10:00:00Z',
      '2026-01-05T10:30:00Z',
    ];
    expect(gone(times, {})).toEqual([]);
    expect(gone(times, { last: 0, daily: 0 })).toEqual([]);
    expect(gone(times, { last: 2 })).toEqual(times.slice(0, 3));
    expect(gone(times, { hourly: 2 })).toEqual([times[0], times[1], times[3]]);
    expect(gone(times, { daily: 2 })).toEqual([times[0], times[2], times[3]]);
    expect(gone(times, { weekly: 2 })).toEqual([times[0], times[2], times[3]]);
    expect(gone(times, { weekly: 1, monthly: 9 })).toEqual(times.slice(0, 4));
    expect(gone(times, { hourly: 1, weekly: 2 })).toEqual([times[0], times[2], times[3]]);
  });

  test('holds its promises, whatever was taken', () => {
    const count = fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined });
    const keeps = fc.record(
      { last: count, hourly: count, daily: count, weekly: count, monthly: count },
      { requiredKeys: [] },
    );
    const times = fc.array(fc.integer({ min: 0, max: 500 * 24 }), { maxLength: 60 });
    fc.assert(
      fc.property(times, keeps, (hours, wanted) => {
        const keep: Record<string, number> = {};
        for (const [sort, value] of Object.entries(wanted)) {
          if (value !== undefined) keep[sort] = value;
        }
        const all = hours.map((hour, index) => ({ id: `s${index}`, createdAt: hour * 1_800_000 }));
        const lost = new Set(expired(all, keep).map(({ id }) => id));
        const kept = all.filter(({ id }) => !lost.has(id));
        if (Object.values(keep).every((value) => value === 0)) expect(lost.size).toBe(0);
        // The newest always stays, and never fewer than each rule asks for, as far as there are so many.
        if (all.length > 0) {
          const newest = Math.max(...all.map(({ createdAt }) => createdAt));
          expect(kept.some(({ createdAt }) => createdAt === newest)).toBe(true);
        }
        expect(kept.length).toBeGreaterThanOrEqual(Math.min(keep['last'] ?? 0, all.length));
        const days = (list: typeof all) =>
          new Set(list.map(({ createdAt }) => Math.floor(createdAt / DAY))).size;
        expect(days(kept)).toBeGreaterThanOrEqual(Math.min(keep['daily'] ?? 0, days(all)));
        // Not more than all rules together ask for.
        const asked = Object.values(keep).reduce((sum, value) => sum + value, 0);
        if (asked > 0) expect(kept.length).toBeLessThanOrEqual(asked + 1);
        // Again: nothing more goes. What it went without does not come to matter later.
        expect(expired(kept, keep)).toEqual([]);
      }),
      { seed: SEED },
    );
  });

  test('what goes one day would have gone in the end: deleting daily ends as deleting once', () => {
    const times = fc.uniqueArray(fc.integer({ min: 0, max: 60 * 48 }), { maxLength: 40 });
    const keep = { last: 1, daily: 3, weekly: 2 };
    fc.assert(
      fc.property(times, (halfHours) => {
        const all = [...halfHours]
          .sort((a, b) => a - b)
          .map((half, index) => ({ id: `s${index}`, createdAt: half * 1_800_000 }));
        let left: typeof all = [];
        for (const one of all) {
          left = [...left, one];
          const lost = new Set(expired(left, keep).map(({ id }) => id));
          left = left.filter(({ id }) => !lost.has(id));
        }
        const lost = new Set(expired(all, keep).map(({ id }) => id));
        expect(left).toEqual(all.filter(({ id }) => !lost.has(id)));
      }),
      { seed: SEED },
    );
  });
});

describe('addresses of volumes', () => {
  test('are a repository and a volume', () => {
    expect(parseVolumeAddress('san1/db', 'f')).toEqual({ repository: 'san1', volume: 'db' });
    for (const text of ['', 'db', 'a/b/c', '/db', 'san1/', 'San1/db', 'a /b']) {
      expect(() => parseVolumeAddress(text, 'f')).toThrow(/does not name a volume/);
    }
  });
});

describe('what must not be seen', () => {
  test('is hidden wherever it stands', () => {
    expect(hide('user:hunter2 pass hunter', ['hunter', 'hunter2', ''])).toBe('user:*** pass ***');
  });

  test('leaves no error: not in its message, its details or its cause', async () => {
    const secret = 'correct "horse" battery/1';
    const circle: { self?: object; text: string } = { text: secret };
    circle.self = circle;
    const failing: readonly unknown[] = [
      new Fault('PERMISSION_DENIED', `login ${secret} refused`, {
        field: 'f',
        value: [secret],
        expected: `not ${secret}`,
      }),
      new Fault('UNREACHABLE', 'no', {}, { cause: new Error(`--password ${secret}`) }),
      new Error('no', { cause: secret }),
      Object.assign(new Error('no'), { command: ['tool', { args: [secret] }] }),
      Object.assign(new Error('no'), { circle }),
      new Fault('UNREACHABLE', 'no', { value: { deep: [secret] } }),
      new Error(`GET /?p=${encodeURIComponent(secret)} and ${JSON.stringify({ secret })}`),
      secret,
    ];
    for (const failure of failing) {
      const error: unknown = await withoutSecrets({ password: secret }, async () => {
        throw failure;
      }).catch((reason: unknown) => reason);
      const { message, stack, cause, details } = error as Fault;
      const told = [message, stack, String(cause), JSON.stringify(details)].join();
      for (const part of ['horse', 'battery']) expect(told).not.toContain(part);
      expect(error).toBeInstanceOf(Fault);
      if (failure instanceof Fault) expect((error as Fault).code).toBe(failure.code);
    }
    const harmless = new Fault('IN_USE', 'other');
    await expect(withoutSecrets({ a: secret }, () => Promise.reject(harmless))).rejects.toBe(
      harmless,
    );
  });
});

describe('a free name', () => {
  test.each([
    ['My Disks', 'my-disks'],
    ['Ünser (1)', 'unser-1'],
    ['--a', 'a'],
    ['…', 'sr'],
    ['', 'sr'],
    ['a'.repeat(80), 'a'.repeat(63)],
  ])('of %j is %s', (text, name) => {
    expect(freeName(text, 'sr', () => false)).toBe(name);
  });

  test('is a name, is taken by nobody, and is known to be made of its text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 0, max: 12 }),
        (text, count) => {
          const taken = new Set<string>();
          for (let made = 0; made <= count; made++) {
            const name = freeName(text, 'sr', (candidate) => taken.has(candidate));
            expect(isName(name)).toBe(true);
            expect(taken.has(name)).toBe(false);
            expect(isNameOf(name, text, 'sr')).toBe(true);
            taken.add(name);
          }
        },
      ),
      { seed: SEED },
    );
    expect(isNameOf('my-disks-02', 'My Disks', 'sr')).toBe(false);
    expect(isNameOf('my-disks-x', 'My Disks', 'sr')).toBe(false);
  });
});
