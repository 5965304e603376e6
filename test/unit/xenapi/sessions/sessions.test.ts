import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { XEN_ROLES } from '../../../../src/control/catalog/xen/records.ts';
import { addXenUser, deleteXenUser, updateXenUser } from '../../../../src/control/index.ts';
import {
  authenticateRequest,
  cookiesOf,
} from '../../../../src/xenapi/sessions/authenticate-request.ts';
import {
  FAILED_LOGIN_DELAY_MS,
  MAX_LOGINS_PER_NAME,
  MAX_ORIGINATOR_LENGTH,
  MAX_SESSION_CONFIG_LENGTH,
  MAX_SESSIONS_PER_ORIGINATOR,
  MAX_SESSIONS_PER_USER,
  SESSION_UNUSED_MS,
} from '../../../../src/xenapi/sessions/limits.ts';
import { permissionsOf, requireRole } from '../../../../src/xenapi/sessions/permissions.ts';
import { Sessions } from '../../../../src/xenapi/sessions/sessions.ts';
import { type FakeService, fakeService } from '../../control/support/fake-service.ts';

const TOKEN = 'the-token-of-the-api';
const PASSWORD = 'correct horse battery';
const ADDRESS = '192.0.2.7';

let service: FakeService;
let sessions: Sessions;
let slept: number[];
beforeEach(() => {
  service = fakeService({ xenRootPassword: TOKEN });
  slept = [];
  const sleep = async (ms: number) => void slept.push(ms);
  sessions = new Sessions({ control: service.control, sleep });
});
afterEach(() => {
  sessions.close();
  service.control.catalog.close();
});

const root = (originator = '') =>
  sessions.login({ name: 'root', password: TOKEN, address: ADDRESS, originator });
const user = async (name = 'backup') => {
  await addXenUser(service.control, { name, role: 'vm-admin', password: PASSWORD });
  return sessions.login({ name, password: PASSWORD, address: ADDRESS });
};
const invalid = (ref: string) => expect.objectContaining({ description: ['SESSION_INVALID', ref] });

describe('a session', () => {
  it('is whoever has its reference, which nobody can guess', async () => {
    const [first, second] = [await root(), await root()];
    expect(first.ref).toMatch(/^OpaqueRef:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(second.ref).not.toBe(first.ref);
    expect(first.ref).not.toContain(first.uuid);
    expect(sessions.callerOf(first.ref)).toEqual({
      ...{ session: first.ref, user: 'root', role: 'pool-admin' },
    });
    for (const wrong of ['OpaqueRef:NULL', '', 'OpaqueRef:', first.uuid, '__proto__']) {
      expect(() => sessions.callerOf(wrong)).toThrow(invalid(wrong));
    }
  });

  it('ends when it is ended, and who waits in it is told why', async () => {
    const { ref } = await root();
    const other = await root();
    const end = sessions.endOf(ref);
    sessions.end(ref);
    sessions.end(ref);
    expect(end.aborted).toBe(true);
    expect(end.reason).toEqual(invalid(ref));
    expect(() => sessions.callerOf(ref)).toThrow(invalid(ref));
    expect(() => sessions.endOf(ref)).toThrow(invalid(ref));
    expect(sessions.endOf(other.ref).aborted).toBe(false);
    sessions.close();
    expect(other.ended.signal.aborted).toBe(true);
  });

  it('ends when nobody uses it for a day, also when nobody asks for it', async () => {
    const { ref } = await root();
    service.clock.advance(SESSION_UNUSED_MS - 1);
    sessions.callerOf(ref);
    service.clock.advance(SESSION_UNUSED_MS - 1);
    sessions.callerOf(ref);
    const end = sessions.endOf(ref);
    service.clock.advance(SESSION_UNUSED_MS);
    await root();
    expect(end.aborted).toBe(true);
    expect(() => sessions.callerOf(ref)).toThrow(invalid(ref));
  });

  it('makes room for another of its originator when there are too many, the one unused for longest first', async () => {
    const first = await root('xo');
    service.clock.advance(1);
    const second = await root('xo');
    const [others, none] = [await root('other'), await root()];
    for (let n = 2; n < MAX_SESSIONS_PER_ORIGINATOR; n++) await root('xo');
    service.clock.advance(1);
    sessions.callerOf(first.ref);
    await root('xo');
    expect(second.ended.signal.aborted).toBe(true);
    for (const kept of [first, others, none]) expect(kept.ended.signal.aborted).toBe(false);
  });

  it('makes room for another of its user, whatever originators they invent', async () => {
    const other = await user();
    const first = await root('0');
    service.clock.advance(1);
    for (let n = 1; n < MAX_SESSIONS_PER_USER; n++) await root(String(n));
    expect(first.ended.signal.aborted).toBe(false);
    await root('one more');
    expect(first.ended.signal.aborted).toBe(true);
    expect(other.ended.signal.aborted).toBe(false);
  });

  it('follows its user: its role at once, and its end', async () => {
    const { ref, ended } = await user();
    await updateXenUser(service.control, 'backup', { role: 'read-only' });
    expect(sessions.callerOf(ref).role).toBe('read-only');
    await updateXenUser(service.control, 'backup', { password: `${PASSWORD}2` });
    expect(sessions.callerOf(ref).user).toBe('backup');
    await updateXenUser(service.control, 'backup', { enabled: false });
    expect(ended.signal.aborted).toBe(true);
    const another = await user('another');
    deleteXenUser(service.control, 'another');
    expect(another.ended.signal.aborted).toBe(true);
  });

  it('is not begun by one who is disabled while the password is looked at', async () => {
    await addXenUser(service.control, { name: 'a', role: 'vm-admin', password: PASSWORD });
    const login = sessions.login({ name: 'a', password: PASSWORD, address: ADDRESS });
    const refused = expect(login).rejects.toMatchObject({ code: 'SESSION_AUTHENTICATION_FAILED' });
    await updateXenUser(service.control, 'a', { enabled: false });
    await refused;
    expect(sessions.users()).toEqual([]);
  });

  it('keeps a little of what clients put into it', async () => {
    const { ref } = await root();
    const config = new Map([['__proto__', 'x']]);
    sessions.setOtherConfig(ref, config);
    config.set('later', 'y');
    expect([...sessions.get(ref).otherConfig]).toEqual([['__proto__', 'x']]);
    const long = new Map([['k', 'v'.repeat(MAX_SESSION_CONFIG_LENGTH)]]);
    expect(() => sessions.setOtherConfig(ref, long)).toThrow(/VALUE_NOT_SUPPORTED/);
    const login = root('x'.repeat(MAX_ORIGINATOR_LENGTH + 1));
    await expect(login).rejects.toMatchObject({ code: 'VALUE_NOT_SUPPORTED' });
  });
});

describe('a login that fails', () => {
  const wrong = (name: string) => sessions.login({ name, password: 'no', address: ADDRESS });
  const refused = (name: string) => ({
    description: ['SESSION_AUTHENTICATION_FAILED', name, expect.any(String)],
  });

  it('is answered late, whether there is such a user or not, and told once', async () => {
    await user();
    const error = await wrong('backup').catch((reason: unknown) => reason);
    expect(error).toMatchObject(refused('backup'));
    const other = await wrong('nobody').catch((reason: unknown) => reason);
    expect(other).toMatchObject(refused('nobody'));
    expect(slept).toEqual([FAILED_LOGIN_DELAY_MS, FAILED_LOGIN_DELAY_MS]);
    const events = service.told.filter(({ kind }) => kind === 'xen-login.failed');
    expect(events).toMatchObject([{ subject: 'xen-user/backup', data: { address: ADDRESS } }]);
    expect(JSON.stringify(service.told)).not.toMatch(/nobody|OpaqueRef|"no"/);
  });

  it('is refused at once when many are under way, and nothing of it is told', async () => {
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const slow = new Sessions({ control: service.control, sleep: () => asleep });
    const attempt = () => slow.login({ name: 'root', password: 'no', address: ADDRESS });
    const failing = Array.from({ length: MAX_LOGINS_PER_NAME }, () =>
      expect(attempt()).rejects.toMatchObject(refused('root')),
    );
    await setImmediate();
    await expect(attempt()).rejects.toMatchObject({ message: expect.stringMatching(/later/) });
    const elsewhere = { name: 'root', password: TOKEN, address: '198.51.100.1' };
    expect((await slow.login(elsewhere)).user).toBe('root');
    wake();
    await Promise.all(failing);
    slow.close();
  });
});

describe('a request over HTTP', () => {
  const ask = (headers: Record<string, string>, query = '') =>
    authenticateRequest(sessions, { headers, query: new URLSearchParams(query), address: ADDRESS });
  const basic = (text: string) => ({
    authorization: `Basic ${Buffer.from(text).toString('base64')}`,
  });

  it('is of a session by cookie, which comes first, or by query', async () => {
    const [a, b] = [await root(), await user()];
    expect((await ask({}, `session_id=${a.ref}`))?.caller.session).toBe(a.ref);
    const both = await ask({ cookie: `x=1; session_id=${b.ref}` }, `session_id=${a.ref}`);
    expect(both?.caller).toEqual({ session: b.ref, user: 'backup', role: 'vm-admin' });
    both?.release();
    expect(sessions.callerOf(b.ref).user).toBe('backup');
    const encoded = encodeURIComponent(a.ref);
    expect((await ask({ cookie: `task_id=t&session_id=${encoded}` }))?.caller.user).toBe('root');
    await expect(ask({}, 'session_id=OpaqueRef:x')).rejects.toEqual(invalid('OpaqueRef:x'));
  });

  it('reads cookies as they come', () => {
    expect([...cookiesOf({ cookie: 'a=1&b=x=y; a=2;c ; =d;e=%zz' })]).toEqual([
      ...[
        ['a', '1'],
        ['b', 'x=y'],
        ['', 'd'],
        ['e', '%zz'],
      ],
    ]);
    expect(cookiesOf({}).size).toBe(0);
  });

  it('is of a name and password, with a session that ends with it', async () => {
    const made = await ask(basic(`root:${TOKEN}`));
    const ref = made?.caller.session ?? '';
    expect(sessions.callerOf(ref).role).toBe('pool-admin');
    made?.release();
    expect(made?.ended.aborted).toBe(true);
    expect(() => sessions.callerOf(ref)).toThrow(invalid(ref));
    await expect(ask(basic('root:no'))).rejects.toMatchObject({
      code: 'SESSION_AUTHENTICATION_FAILED',
    });
    expect(slept).toEqual([FAILED_LOGIN_DELAY_MS]);
  });

  it('is of nobody without either', async () => {
    for (const headers of [
      {},
      { authorization: 'Bearer x' },
      basic('no colon'),
      { cookie: 'session_id=' },
    ]) {
      expect(await ask(headers as Record<string, string>)).toBeUndefined();
    }
  });
});

describe('permissions', () => {
  it('are of roles that may more one after the other', () => {
    expect(XEN_ROLES).toEqual([
      ...['read-only', 'vm-operator', 'vm-admin'],
      ...['vm-power-admin', 'pool-operator', 'pool-admin'],
    ]);
  });

  it('are those of a role and of all below it', () => {
    const all = [
      { className: 'VDI', name: 'get_all', role: 'read-only' },
      { className: 'VDI', name: 'copy', role: 'vm-admin' },
      { className: 'VDI', name: 'copy', role: 'vm-admin' },
      { className: 'SR', name: 'create', role: 'pool-operator' },
    ] as const;
    expect(permissionsOf('vm-admin', all)).toEqual(['vdi.copy', 'vdi.get_all']);
    expect(permissionsOf('pool-admin', all)).toHaveLength(3);
    requireRole({ user: 'a', role: 'vm-admin' }, 'vm-admin', 'vdi.copy');
    const refused = () => requireRole({ user: 'a', role: 'vm-operator' }, 'vm-admin', 'vdi.copy');
    expect(refused).toThrow(
      expect.objectContaining({
        description: ['RBAC_PERMISSION_DENIED', 'vdi.copy', expect.stringContaining('vm-admin')],
      }),
    );
  });
});
