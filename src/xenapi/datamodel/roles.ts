import { XEN_ROLES } from '../../control/index.ts';
import type { Role } from './description.ts';

/** Whether who has `role` may do what needs `needed`. */
export function mayAs(role: Role, needed: Role): boolean {
  return XEN_ROLES.indexOf(role) >= XEN_ROLES.indexOf(needed);
}
