import { expect, it } from 'vitest';
import { FailedLogins } from '../../../../src/xenapi/sessions/failed-logins.ts';
import {
  FAILED_LOGIN_DELAY_MS,
  FAILED_LOGIN_TOLD_EVERY_MS,
  MAX_FAILED_LOGINS_COUNTED,
  MAX_LOGINS_AT_ONCE,
  MAX_LOGINS_PER_ADDRESS,
  MAX_LOGINS_PER_NAME,
} from '../../../../src/xenapi/sessions/limits.ts';
import { LoginTurns } from '../../../../src/xenapi/sessions/login-turns.ts';

/** Time that passes when the test says so. */
function sleeper() {
  const waiting: { ms: number; wake: () => void }[] = [];
  return {
    waiting,
    sleep: (ms: number) => new Promise<void>((wake) => waiting.push({ ms, wake })),
    async wakeAll() {
      for (const { wake } of waiting.splice(0)) wake();
      await new Promise(setImmediate);
    },
  };
}

const fails = async () => undefined;
const settled = () => new Promise(setImmediate);

it('answers a failed login late, and a successful one at once', async () => {
  const time = sleeper();
  const turns = new LoginTurns(time.sleep);
  const who = { name: 'a', address: '192.0.2.1' };
  expect(await turns.take(who, async () => 'in')).toBe('in');
  expect(time.waiting).toEqual([]);
  let answer: unknown = 'none yet';
  const failing = turns.take(who, fails).then((value) => {
    answer = value;
  });
  await settled();
  expect(answer).toBe('none yet');
  expect(time.waiting.map(({ ms }) => ms)).toEqual([FAILED_LOGIN_DELAY_MS]);
  await time.wakeAll();
  await failing;
  expect(answer).toBeUndefined();
});

it('looks at so many of a name and of an address at once, and at no more than so many at all', async () => {
  const time = sleeper();
  const turns = new LoginTurns(time.sleep);
  let checked = 0;
  const check = async () => {
    checked += 1;
    return undefined;
  };
  const answers: unknown[] = [];
  const attempt = (name: string, address: string) =>
    void turns.take({ name, address }, check).then((answer) => answers.push(answer));
  for (let n = 0; n < MAX_LOGINS_PER_NAME + 5; n++) attempt('a', '192.0.2.1');
  await settled();
  expect(checked).toBe(MAX_LOGINS_PER_NAME);
  expect(answers).toEqual(Array(5).fill('refused'));
  for (let n = 0; n < MAX_LOGINS_PER_ADDRESS; n++) attempt(`b${n}`, '192.0.2.1');
  await settled();
  expect(checked).toBe(MAX_LOGINS_PER_ADDRESS);
  for (let n = 0; n < MAX_LOGINS_AT_ONCE; n++) attempt('a', `2001:db8::${n}`);
  await settled();
  expect(checked).toBe(MAX_LOGINS_AT_ONCE);
  await time.wakeAll();
  attempt('a', '192.0.2.1');
  await settled();
  expect(checked).toBe(MAX_LOGINS_AT_ONCE + 1);
});

it('gives the place of a check that throws back', async () => {
  const turns = new LoginTurns(async () => undefined);
  const who = { name: 'a', address: '192.0.2.1' };
  const broken = () => turns.take(who, () => Promise.reject(new Error('no')));
  for (let n = 0; n < MAX_LOGINS_PER_NAME + 1; n++) await expect(broken()).rejects.toThrow('no');
});

it('tells of failed logins sparingly, how many there were, and no name that nobody has', () => {
  const failed = new FailedLogins();
  const a = { name: 'a', address: '192.0.2.1' };
  const typed = { name: 'my-password', address: '192.0.2.1' };
  expect(failed.note(a, true, 0)).toEqual({ ...a, failures: 1, untold: 1 });
  expect(failed.note(a, true, FAILED_LOGIN_TOLD_EVERY_MS - 1)).toBeUndefined();
  expect(failed.note(typed, false, FAILED_LOGIN_TOLD_EVERY_MS)).toEqual({
    ...{ address: '192.0.2.1', name: undefined, failures: 1, untold: 2 },
  });
  const later = 2 * FAILED_LOGIN_TOLD_EVERY_MS;
  expect(failed.note(a, true, later)).toEqual({ ...a, failures: 3, untold: 1 });
  failed.succeeded(a);
  expect(failed.note(a, true, 2 * later)).toEqual({ ...a, failures: 1, untold: 1 });
  for (let n = 0; n < MAX_FAILED_LOGINS_COUNTED; n++) {
    failed.note({ name: 'a', address: `2001:db8::${n}` }, true, 2 * later);
  }
  expect(failed.note(a, true, 3 * later)).toMatchObject({ failures: 1 }); // forgotten
});
