/** Who may log in to XenAPI, and with which role. root is there besides them, and is not kept in the catalog. */
import { Fault } from '../../../errors/index.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { XenUserRecord } from '../../catalog/xen/records.ts';
import type { Control } from '../../control.ts';
import { MAX_XEN_PASSWORD_LENGTH, MAX_XEN_USERS, MIN_XEN_PASSWORD_LENGTH } from '../../limits.ts';
import type { AddXenUserInput, UpdateXenUserInput, XenUserView } from '../../schemas/xen-user.ts';
import { parseName } from '../../values/name.ts';
import { XEN_ROOT } from '../../xen/root-password.ts';
import { refuseBeyond, refuseTaken } from '../storage/find-storage.ts';
import { iso, isoOrNull } from '../time-view.ts';

const FIELD = 'xenUser.name';

const ROOT: XenUserView = {
  ...{ name: XEN_ROOT, role: 'pool-admin', enabled: true, builtIn: true },
  ...{ createdAt: null, lastLoginAt: null },
};

/** root first, then by name. */
export function listXenUsers({ catalog, xenRoot }: Control): readonly XenUserView[] {
  const users = catalog.xenUsers.all().map(userView);
  return xenRoot === undefined ? users : [ROOT, ...users];
}

/** @throws Fault NOT_FOUND */
export function showXenUser({ catalog, xenRoot }: Control, name: string): XenUserView {
  return name === XEN_ROOT && xenRoot !== undefined ? ROOT : userView(findUser(catalog, name));
}

/** @throws Fault INVALID_INPUT, ALREADY_EXISTS, LIMIT_EXCEEDED */
export async function addXenUser(control: Control, input: AddXenUserInput): Promise<XenUserView> {
  const { xenUsers } = control.catalog;
  const { name, role, enabled = true } = input;
  const refuse = (): void => {
    refuseRoot(parseName(name, FIELD));
    refuseTaken(xenUsers.byName(name), 'XenAPI user', name, FIELD);
    refuseBeyond(xenUsers.all().length, MAX_XEN_USERS, 'XenAPI users');
  };
  refuse();
  checkPassword(input.password);
  const password = await control.passwords.hash(input.password);
  return control.change((record) => {
    refuse(); // again: somebody else may have come meanwhile
    const createdAt = control.clock.now();
    const user = { name, role, password, enabled, createdAt, lastLoginAt: undefined };
    xenUsers.insert(user);
    record({
      kind: 'xen-user.added',
      subject: `xen-user/${name}`,
      message: `XenAPI user ${name} added as ${role}${enabled ? '' : ', disabled'}`,
      data: { role, enabled },
    });
    return userView(user);
  });
}

/** Its sessions follow at once: they end when it is disabled. @throws Fault NOT_FOUND, INVALID_INPUT, LIMIT_EXCEEDED */
export async function updateXenUser(
  control: Control,
  name: string,
  { role, password, enabled }: UpdateXenUserInput,
): Promise<XenUserView> {
  const { xenUsers } = control.catalog;
  refuseRoot(name);
  findUser(control.catalog, name);
  if (password !== undefined) checkPassword(password);
  const hash = password === undefined ? undefined : await control.passwords.hash(password);
  return control.change((record) => {
    const before = findUser(control.catalog, name);
    const after: XenUserRecord = {
      ...before,
      role: role ?? before.role,
      password: hash ?? before.password,
      enabled: enabled ?? before.enabled,
    };
    xenUsers.update(after);
    const told = [
      ...(role === undefined ? [] : [`role ${role}`]),
      ...(password === undefined ? [] : ['password changed']),
      ...(enabled === undefined ? [] : [enabled ? 'enabled' : 'disabled']),
    ];
    record({
      kind: 'xen-user.changed',
      subject: `xen-user/${name}`,
      message: `XenAPI user ${name}: ${told.join(', ')}`,
      data: { role: after.role, enabled: after.enabled, passwordChanged: hash !== undefined },
    });
    return userView(after);
  });
}

/** Its sessions end. @throws Fault NOT_FOUND, INVALID_INPUT */
export function deleteXenUser(control: Control, name: string): void {
  refuseRoot(name);
  control.change((record) => {
    findUser(control.catalog, name);
    control.catalog.xenUsers.delete(name);
    record({
      kind: 'xen-user.deleted',
      subject: `xen-user/${name}`,
      message: `XenAPI user ${name} deleted`,
    });
  });
}

function refuseRoot(name: string): void {
  if (name !== XEN_ROOT) return;
  throw new Fault('INVALID_INPUT', `${XEN_ROOT} is not a user like others`, {
    field: FIELD,
    value: name,
    expected: `another name: the password of ${XEN_ROOT} is the token of the API, and xenapi.root: false is what disables it`,
  });
}

/** A password is never said again. */
function checkPassword({ length }: string): void {
  if (length >= MIN_XEN_PASSWORD_LENGTH && length <= MAX_XEN_PASSWORD_LENGTH) return;
  const expected = `${MIN_XEN_PASSWORD_LENGTH} to ${MAX_XEN_PASSWORD_LENGTH} characters`;
  throw new Fault('INVALID_INPUT', `the password must have ${expected}`, {
    field: 'xenUser.password',
    expected,
  });
}

function findUser(catalog: Catalog, name: string): XenUserRecord {
  const user = catalog.xenUsers.byName(name);
  if (user !== undefined) return user;
  throw new Fault('NOT_FOUND', `there is no XenAPI user ${name}`, {
    field: FIELD,
    value: name,
    expected: 'the name of a user (rootcast xen-user list)',
  });
}

function userView({ name, role, enabled, createdAt, lastLoginAt }: XenUserRecord): XenUserView {
  return {
    ...{ name, role, enabled, builtIn: false },
    createdAt: iso(createdAt),
    lastLoginAt: isoOrNull(lastLoginAt),
  };
}
