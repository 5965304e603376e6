import { type Implementation, implement } from '../../call.ts';
import { POOL } from '../../datamodel/pool.ts';

export function poolMessages(): Implementation {
  return implement(POOL, {
    get_license_state: () => new Map([['edition', 'free']]),
    has_extension: () => false,
    sync_database: () => undefined,
  });
}
