import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  addXenUser,
  authenticateXenUser,
  deleteXenUser,
  findXenUser,
  listXenUsers,
  showXenUser,
  updateXenUser,
} from '../../../src/control/index.ts';
import {
  MAX_PASSWORDS_HASHED_AT_ONCE,
  MAX_PASSWORDS_WAITING,
  MAX_XEN_PASSWORD_LENGTH,
  PASSWORD_LOG_COST,
  XEN_LOGIN_NOTED_EVERY_MS,
} from '../../../src/control/limits.ts';
import { verifyPassword } from '../../../src/control/values/password-hash.ts';
import { type FakeService, fakeService, kinds, START } from './support/fake-service.ts';

const TOKEN = 'the-token-of-the-api';
const PASSWORD = 'correct horse battery';

let service: FakeService;
beforeEach(() => {
  service = fakeService({ xenRootPassword: TOKEN });
});
afterEach(() => service.control.catalog.close());

const add = (name = 'backup') =>
  addXenUser(service.control, { name, role: 'vm-admin', password: PASSWORD });
const login = (name: string, password: string) =>
  authenticateXenUser(service.control, name, password);
const everything = () => JSON.stringify([service.told, listXenUsers(service.control)]);

describe('users of XenAPI', () => {
  it('are added, shown without their password, changed and deleted', async () => {
    const user = {
      ...{ name: 'backup', role: 'vm-admin', enabled: true, builtIn: false, lastLoginAt: null },
      createdAt: new Date(START).toISOString(),
    };
    expect(await add()).toEqual(user);
    expect(listXenUsers(service.control).map(({ name }) => name)).toEqual(['root', 'backup']);
    const changed = await updateXenUser(service.control, 'backup', { role: 'read-only' });
    expect(changed).toEqual({ ...user, role: 'read-only' });
    await updateXenUser(service.control, 'backup', { password: `${PASSWORD}2`, enabled: false });
    expect(showXenUser(service.control, 'backup')).toMatchObject({ enabled: false });
    deleteXenUser(service.control, 'backup');
    expect(listXenUsers(service.control).map(({ name }) => name)).toEqual(['root']);
    expect(kinds(service)).toEqual([
      ...['xen-user.added', 'xen-user.changed', 'xen-user.changed', 'xen-user.deleted'],
    ]);
    expect(everything()).not.toMatch(/correct horse|scrypt/);
  });

  it('have hashes that nobody can tell equal passwords from', async () => {
    service = fakeService({ passwordLogCost: PASSWORD_LOG_COST });
    await add('a');
    await add('b');
    const [a = '', b = ''] = service.control.catalog.xenUsers.all().map((user) => user.password);
    expect(a).toMatch(/^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(b).not.toBe(a);
    expect(await login('a', PASSWORD)).toBeDefined();
    expect(await login('a', 'wrong')).toBeUndefined();
  });

  it('are refused: a name that is taken or none, a password too short or too long, and root', async () => {
    await add();
    const refused = async (name: string, password: string) =>
      expect(addXenUser(service.control, { name, role: 'vm-admin', password })).rejects;
    await (await refused('backup', PASSWORD)).toMatchObject({ code: 'ALREADY_EXISTS' });
    await (await refused('Backup', PASSWORD)).toMatchObject({ code: 'INVALID_INPUT' });
    const field = { code: 'INVALID_INPUT', details: { field: 'xenUser.password' } };
    await (await refused('b', 'short')).toMatchObject(field);
    await (await refused('b', 'x'.repeat(MAX_XEN_PASSWORD_LENGTH + 1))).toMatchObject(field);
    await (await refused('root', PASSWORD)).toMatchObject({ code: 'INVALID_INPUT' });
    await expect(updateXenUser(service.control, 'root', { enabled: false })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    expect(() => deleteXenUser(service.control, 'root')).toThrow(/root/);
    expect(() => showXenUser(service.control, 'nobody')).toThrow(/no XenAPI user nobody/);
    await expect(
      updateXenUser(service.control, 'nobody', { role: 'vm-admin' }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('of one name that are added at the same time are one', async () => {
    const both = await Promise.allSettled([add(), add()]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(service.control.catalog.xenUsers.all()).toHaveLength(1);
  });
});

describe('a kept password', () => {
  it('is scrypt as others have it', async () => {
    // RFC 7914, section 12.
    const hash = Buffer.from(
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
      'hex',
    );
    const text = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
    const kept = `$scrypt$ln=14,r=8,p=1$${text(Buffer.from('SodiumChloride'))}$${text(hash)}`;
    expect(await verifyPassword('pleaseletmein', kept)).toBe(true);
    expect(await verifyPassword('pleaseletmeIn', kept)).toBe(false);
    for (const none of ['', 'pleaseletmein', '$scrypt$ln=14,r=8,p=1$$', kept.slice(0, 40)]) {
      expect(await verifyPassword('pleaseletmein', none)).toBe(false);
    }
  });
});

describe('a login', () => {
  it('needs the name and its password', async () => {
    await add();
    expect(await login('backup', PASSWORD)).toEqual({ name: 'backup', role: 'vm-admin' });
    expect(await login('backup', `${PASSWORD} `)).toBeUndefined();
    expect(await login('backup', '')).toBeUndefined();
    expect(await login('backup', 'x'.repeat(100_000))).toBeUndefined();
    expect(await login('nobody', PASSWORD)).toBeUndefined();
    expect(await login('Backup', PASSWORD)).toBeUndefined();
    expect(await login('__proto__', PASSWORD)).toBeUndefined();
  });

  it('takes a password however its accents are composed', async () => {
    await addXenUser(service.control, { name: 'a', role: 'read-only', password: 'motdépassé' });
    expect(await login('a', 'motdépassé'.normalize('NFD'))).toBeDefined();
  });

  it('of root needs the token of the API, and is none where root is off', async () => {
    expect(await login('root', TOKEN)).toEqual({ name: 'root', role: 'pool-admin' });
    expect(await login('root', `${TOKEN}x`)).toBeUndefined();
    const other = fakeService();
    expect(await authenticateXenUser(other.control, 'root', TOKEN)).toBeUndefined();
    expect(findXenUser(other.control, 'root')).toBeUndefined();
    expect(listXenUsers(other.control)).toEqual([]);
    other.control.catalog.close();
  });

  it('is none of a user who is disabled, also meanwhile, or has another password or role since', async () => {
    await add();
    const underWay = login('backup', PASSWORD);
    await updateXenUser(service.control, 'backup', { enabled: false });
    expect(await underWay).toBeUndefined();
    expect(await login('backup', PASSWORD)).toBeUndefined();
    expect(findXenUser(service.control, 'backup')).toBeUndefined();
    await updateXenUser(service.control, 'backup', { enabled: true });
    const changing = login('backup', PASSWORD);
    await updateXenUser(service.control, 'backup', { role: 'read-only' });
    expect(await changing).toEqual({ name: 'backup', role: 'read-only' });
    deleteXenUser(service.control, 'backup');
    expect(await login('backup', PASSWORD)).toBeUndefined();
  });

  it('is noted, at most once in a while', async () => {
    await add();
    const noted = () => showXenUser(service.control, 'backup').lastLoginAt;
    service.clock.advance(1000);
    await login('backup', PASSWORD);
    const first = noted();
    expect(first).toBe(new Date(START + 1000).toISOString());
    service.clock.advance(XEN_LOGIN_NOTED_EVERY_MS - 1);
    await login('backup', PASSWORD);
    expect(noted()).toBe(first);
    service.clock.advance(1);
    await login('backup', PASSWORD);
    expect(noted()).not.toBe(first);
  });

  it('is refused while too many are being checked, and not later', async () => {
    const most = MAX_PASSWORDS_HASHED_AT_ONCE + MAX_PASSWORDS_WAITING;
    const checks = Array.from({ length: most + 3 }, () => login('nobody', ''));
    const ends = await Promise.allSettled(checks);
    const refused = ends.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(3);
    expect(refused[0]).toMatchObject({ reason: { code: 'LIMIT_EXCEEDED' } });
    expect(await login('nobody', '')).toBeUndefined();
  });
});
