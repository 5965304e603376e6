import { ROLES, type Role } from './description.ts';

/** Whether who has `role` may do what needs `needed`. */
export function mayAs(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
