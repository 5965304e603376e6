import type { XenRole, XenUserRecord } from '../../catalog/xen/records.ts';
import type { Control } from '../../control.ts';
import { MAX_XEN_PASSWORD_LENGTH, XEN_LOGIN_NOTED_EVERY_MS } from '../../limits.ts';
import { XEN_ROOT } from '../../xen/root-password.ts';

export interface XenUser {
  readonly name: string;
  readonly role: XenRole;
}

/** Who may be logged in now, with the role of now. @returns undefined: nobody of that name, or it is disabled */
export function findXenUser(control: Control, name: string): XenUser | undefined {
  if (name === XEN_ROOT) {
    return control.xenRoot === undefined ? undefined : { name, role: 'pool-admin' };
  }
  const user = control.catalog.xenUsers.byName(name);
  return user?.enabled ? { name, role: user.role } : undefined;
}

/**
 * A wrong name takes as long as a wrong password. Slowing down who tries many is the caller's.
 * @returns undefined: the name or the password is wrong, or the user is disabled
 * @throws Fault LIMIT_EXCEEDED: too many are being checked
 */
export async function authenticateXenUser(
  control: Control,
  name: string,
  password: string,
): Promise<XenUser | undefined> {
  if (name === XEN_ROOT && control.xenRoot !== undefined) {
    return control.xenRoot.matches(password) ? findXenUser(control, name) : undefined;
  }
  const { xenUsers } = control.catalog;
  const kept = xenUsers.byName(name)?.password;
  const fits = password.length <= MAX_XEN_PASSWORD_LENGTH; // nobody has a longer one: not hashed
  const matches = await control.passwords.verify(fits ? password : '', kept);
  // Who was disabled, removed or given another password meanwhile is not let in.
  const user = xenUsers.byName(name);
  if (!matches || user === undefined || user.password !== kept) return undefined;
  if (user.enabled) noteLogin(control, user);
  return findXenUser(control, name);
}

function noteLogin({ catalog, clock }: Control, user: XenUserRecord): void {
  const now = clock.now();
  if (now - (user.lastLoginAt ?? 0) < XEN_LOGIN_NOTED_EVERY_MS) return;
  try {
    catalog.transaction(() => catalog.xenUsers.update({ ...user, lastLoginAt: now }));
  } catch {
    // The disk may be full, and this one come to make room.
  }
}
