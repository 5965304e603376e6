/** The class SM: drivers are read, never made. */
import { type Implementation, implement } from '../../call.ts';
import { SM } from '../../datamodel/sm.ts';

export function smMessages(): Implementation {
  return implement(SM, {});
}
