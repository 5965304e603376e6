/** The class session through the dispatcher: what a client gets. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addXenUser, showXenUser } from '../../../../src/control/index.ts';
import type { ApiType } from '../../../../src/xenapi/datamodel/description.ts';
import { SESSION } from '../../../../src/xenapi/datamodel/session.ts';
import { Dispatcher } from '../../../../src/xenapi/dispatch/dispatcher.ts';
import { MessageTable } from '../../../../src/xenapi/dispatch/message-table.ts';
import { sessionMessages } from '../../../../src/xenapi/messages/session/session-messages.ts';
import { Objects } from '../../../../src/xenapi/objects/objects.ts';
import { FAILED_LOGIN_DELAY_MS } from '../../../../src/xenapi/sessions/limits.ts';
import { permissionsOf } from '../../../../src/xenapi/sessions/permissions.ts';
import { Sessions } from '../../../../src/xenapi/sessions/sessions.ts';
import { XenError } from '../../../../src/xenapi/xen-error.ts';
import { RigTasks } from '../../../support/xen-rig.ts';
import { type FakeService, fakeService, START } from '../../control/support/fake-service.ts';

const TOKEN = 'the-token-of-the-api';
const PASSWORD = 'correct horse battery';
const HOST = 'OpaqueRef:host';
const NULL = 'OpaqueRef:NULL';

let service: FakeService;
let sessions: Sessions;
let slept: number[];
let call: (method: string, ...parameters: readonly unknown[]) => Promise<unknown>;

beforeEach(async () => {
  service = fakeService({ xenRootPassword: TOKEN });
  const { control } = service;
  slept = [];
  sessions = new Sessions({ control, sleep: async (ms) => void slept.push(ms) });
  const implementation = sessionMessages({
    ...{ control, sessions, thisHost: () => HOST },
    permissionsOf: (role) => permissionsOf(role, table.entries()),
    tasksOf: (session) => [`OpaqueRef:task-of-${session.slice(-4)}`],
  });
  const objects = new Objects([], 1);
  const table = new MessageTable([implementation], objects, () => {
    throw new Error('sessions are not kept');
  });
  const failed: unknown[] = [];
  const dispatcher = new Dispatcher<unknown>({
    ...{ table, objects, tasks: new RigTasks() },
    callerOf: (ref) => sessions.callerOf(ref),
    unmarshal: (_type: ApiType, value: unknown) => value,
    resultText: String,
    failed: (_method, error) => void failed.push(error),
  });
  call = async (method, ...parameters) => {
    const where = { address: '192.0.2.7', subtaskOf: undefined };
    const { value } = await dispatcher.dispatch({ method, parameters, ...where });
    expect(failed).toEqual([]);
    return value;
  };
  await addXenUser(control, { name: 'backup', role: 'vm-admin', password: PASSWORD });
});
afterEach(() => {
  sessions.close();
  service.control.catalog.close();
});

async function refusal(method: string, ...parameters: readonly unknown[]) {
  const error = await call(method, ...parameters).catch((reason: unknown) => reason);
  if (!(error instanceof XenError)) throw new Error(`${method} was answered`);
  return error.description;
}

const root = () => call('session.login_with_password', 'root', TOKEN);
const backup = () => call('session.login_with_password', 'backup', PASSWORD, '2.0', 'xo');

describe('the class session', () => {
  it('lets in by name and password, with two to four parameters', async () => {
    const version = ['1.0', 'packer'];
    for (let count = 0; count <= 2; count++) {
      const more = version.slice(0, count);
      const ref = await call('session.login_with_password', 'root', TOKEN, ...more);
      expect(await call('session.get_originator', ref, ref)).toBe(count === 2 ? 'packer' : '');
    }
    expect(await refusal('session.login_with_password', 'root')).toEqual([
      ...['MESSAGE_PARAMETER_COUNT_MISMATCH', 'session.login_with_password', '2', '1'],
    ]);
    const wrong = await refusal('session.login_with_password', 'backup', 'no');
    expect(wrong.slice(0, 2)).toEqual(['SESSION_AUTHENTICATION_FAILED', 'backup']);
    expect(slept).toEqual([FAILED_LOGIN_DELAY_MS]);
  });

  it('has a record of everything that clients ask for after they have logged in', async () => {
    const ref = (await backup()) as string;
    service.clock.advance(5000);
    const record = (await call('session.get_record', ref, ref)) as Record<string, unknown>;
    expect(Object.keys(record).sort()).toEqual(Object.keys(SESSION.fields).sort());
    const permissions = record['rbac_permissions'] as readonly string[];
    expect(permissions).toContain('session.logout');
    expect(permissions).not.toContain('session.logout_subject_identifier');
    expect(record).toMatchObject({
      ...{ this_host: HOST, this_user: NULL, last_active: START + 5000, validation_time: START },
      ...{ pool: false, is_local_superuser: false, subject: NULL, auth_user_sid: 'backup' },
      ...{ auth_user_name: 'backup', parent: NULL, originator: 'xo', client_certificate: false },
      ...{ tasks: [`OpaqueRef:task-of-${ref.slice(-4)}`], other_config: new Map() },
    });
    for (const name of Object.keys(SESSION.fields)) {
      expect(await call(`session.get_${name}`, ref, ref)).toEqual(record[name]);
    }
    expect(await call('session.get_by_uuid', ref, record['uuid'])).toBe(ref);
    const admin = await root();
    expect(await call('session.get_is_local_superuser', admin, admin)).toBe(true);
    expect(await call('session.get_auth_user_sid', admin, admin)).toBe('');
  });

  it('shows to nobody the session of another', async () => {
    const [mine, other] = [await root(), await backup()];
    expect(await refusal('session.get_record', mine, other)).toEqual([
      ...['HANDLE_INVALID', 'session', other],
    ]);
    expect(await refusal('session.set_other_config', mine, other, new Map())).toEqual([
      ...['HANDLE_INVALID', 'session', other],
    ]);
    const uuid = await call('session.get_uuid', other, other);
    expect(await refusal('session.get_by_uuid', mine, uuid)).toEqual([
      ...['UUID_INVALID', 'session', uuid],
    ]);
    expect(await refusal('session.get_all', mine)).toEqual([
      ...['MESSAGE_METHOD_UNKNOWN', 'session.get_all'],
    ]);
  });

  it('keeps what clients note in it', async () => {
    const ref = await backup();
    await call('session.add_to_other_config', ref, ref, '__proto__', 'a');
    expect(await refusal('session.add_to_other_config', ref, ref, '__proto__', 'b')).toEqual([
      ...['MAP_DUPLICATE_KEY', 'session', 'other_config', ref, '__proto__'],
    ]);
    expect(await call('session.get_other_config', ref, ref)).toEqual(new Map([['__proto__', 'a']]));
    await call('session.remove_from_other_config', ref, ref, '__proto__');
    expect(await call('session.get_other_config', ref, ref)).toEqual(new Map());
  });

  it('ends with logout, and is invalid from then on', async () => {
    const ref = await root();
    const end = sessions.endOf(ref as string);
    await call('session.logout', ref);
    expect(end.aborted).toBe(true);
    expect(await refusal('session.get_uuid', ref, ref)).toEqual(['SESSION_INVALID', ref]);
    expect(await refusal('session.logout', ref)).toEqual(['SESSION_INVALID', ref]);
    expect(await refusal('session.logout')).toEqual(['SESSION_INVALID', '']);
  });

  it('has local sessions for pool-admins, which end by local_logout', async () => {
    const login = 'session.slave_local_login_with_password';
    const ref = await call(login, 'root', TOKEN);
    expect(await call('session.get_this_host', ref, ref)).toBe(HOST);
    await call('session.local_logout', ref);
    expect(await refusal('session.get_this_host', ref, ref)).toEqual(['SESSION_INVALID', ref]);
    const refused = await refusal(login, 'backup', PASSWORD);
    expect(refused.slice(0, 2)).toEqual(['RBAC_PERMISSION_DENIED', login]);
    expect(sessions.users()).toEqual([]);
  });

  it('lets in who knows the secret of the pool, and nobody else', async () => {
    const ref = await call('session.slave_local_login', TOKEN);
    expect(await call('session.get_is_local_superuser', ref, ref)).toBe(true);
    await call('session.local_logout', ref);
    const [code, user] = await refusal('session.slave_local_login', `${TOKEN}x`);
    expect([code, user]).toEqual(['SESSION_AUTHENTICATION_FAILED', 'root']);
  });

  it('changes the password of its user, who must know the old one', async () => {
    const [ref, admin] = [await backup(), await root()];
    const next = `${PASSWORD}2`;
    const wrong = await refusal('session.change_password', ref, 'no', next);
    expect(wrong.slice(0, 2)).toEqual(['SESSION_AUTHENTICATION_FAILED', 'backup']);
    expect(slept).toEqual([FAILED_LOGIN_DELAY_MS]);
    const short = await refusal('session.change_password', ref, PASSWORD, 'short');
    expect(short[0]).toBe('CHANGE_PASSWORD_REJECTED');
    const ofRoot = await refusal('session.change_password', admin, TOKEN, next);
    expect(ofRoot[0]).toBe('CHANGE_PASSWORD_REJECTED');
    await call('session.change_password', ref, PASSWORD, next);
    expect(await call('session.get_auth_user_name', ref, ref)).toBe('backup');
    expect((await refusal('session.login_with_password', 'backup', PASSWORD))[0]).toBe(
      'SESSION_AUTHENTICATION_FAILED',
    );
    expect(await call('session.login_with_password', 'backup', next)).toMatch(/^OpaqueRef:/);
    const changed = service.told.filter(({ kind }) => kind === 'xen-user.changed');
    expect(changed).toMatchObject([{ actor: 'backup from 192.0.2.7 (XenAPI)' }]);
    expect(JSON.stringify(service.told)).not.toContain(PASSWORD);
  });

  it('tells who is logged in, and logs them out', async () => {
    const [admin, first] = [await root(), await backup()];
    expect(await call('session.get_all_subject_identifiers', first)).toEqual(['backup']);
    const logout = 'session.logout_subject_identifier';
    expect((await refusal(logout, first, 'root'))[0]).toBe('RBAC_PERMISSION_DENIED');
    await call(logout, admin, 'backup');
    expect(await refusal('session.get_uuid', first, first)).toEqual(['SESSION_INVALID', first]);
    expect(await call('session.get_all_subject_identifiers', admin)).toEqual([]);
    const other = await root();
    await call(logout, admin, 'root');
    expect(await refusal('session.get_uuid', other, other)).toEqual(['SESSION_INVALID', other]);
    expect(await call('session.get_auth_user_name', admin, admin)).toBe('root');
    expect(showXenUser(service.control, 'backup').enabled).toBe(true);
  });
});
