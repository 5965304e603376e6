import type { Caller } from '../call.ts';
import type { Role } from '../datamodel/description.ts';
import { mayAs } from '../datamodel/roles.ts';
import { xenError } from '../xen-error.ts';

/** Something that needs a role: a message of a class. */
export interface Guarded {
  readonly className: string;
  readonly name: string;
  readonly role: Role;
}

/** As xapi calls them: `vdi.copy`. In order, each once. */
export function permissionsOf(role: Role, all: Iterable<Guarded>): readonly string[] {
  const names = [...all]
    .filter((one) => mayAs(role, one.role))
    .map(({ className, name }) => permissionName(className, name));
  return [...new Set(names)].sort();
}

export function permissionName(className: string, message: string): string {
  return `${className}.${message}`.toLowerCase();
}

/** @param permission what it is called, such as `http/put_import_raw_vdi`. @throws XenError RBAC_PERMISSION_DENIED */
export function requireRole(
  caller: Pick<Caller, 'user' | 'role'>,
  role: Role,
  permission: string,
): void {
  if (mayAs(caller.role, role)) return;
  const message = `No permission in user session: it needs ${role}, ${caller.user} is ${caller.role}`;
  throw xenError('RBAC_PERMISSION_DENIED', permission, message);
}
