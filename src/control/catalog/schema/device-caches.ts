/**
 * Schema 9: write caches on the machine. A column with a CHECK is made anew beside the old one, so that
 * nothing is said here of the other columns of its table.
 */
const MODES = `'server', 'server-persistent', 'device-ram', 'device-disk', 'device-ram-overflow'`;

const widened = (table: string): string => `
ALTER TABLE ${table} ADD COLUMN any_cache_mode TEXT CHECK (any_cache_mode IN (${MODES}));
UPDATE ${table} SET any_cache_mode = cache_mode;
ALTER TABLE ${table} DROP COLUMN cache_mode;
ALTER TABLE ${table} RENAME COLUMN any_cache_mode TO cache_mode;`;

export const DEVICE_CACHES = `
${['collections', 'machines', 'enrolment_template'].map(widened).join('\n')}

ALTER TABLE vdisks ADD COLUMN on_cache_impossible TEXT NOT NULL DEFAULT 'fallback'
  CHECK (on_cache_impossible IN ('fallback', 'refuse'));
ALTER TABLE vdisks ADD COLUMN ssh_host_keys TEXT NOT NULL DEFAULT 'kept'
  CHECK (ssh_host_keys IN ('kept', 'each-boot', 'image'));

-- A machine that booted last with a write cache of its own: what it reads since then, and what it said.
CREATE TABLE machine_caches (
  machine_id TEXT PRIMARY KEY REFERENCES machines (id) ON DELETE CASCADE,
  layer_id TEXT NOT NULL,
  asked TEXT NOT NULL CHECK (asked IN ('device-ram', 'device-disk', 'device-ram-overflow')),
  on_impossible TEXT NOT NULL CHECK (on_impossible IN ('fallback', 'refuse')),
  -- NULL: it has not said yet.
  got TEXT CHECK (got IN ('server', 'device-ram', 'device-disk', 'device-ram-overflow')),
  state TEXT NOT NULL CHECK (state IN ('waiting', 'refused', 'good', 'filling', 'nearly-full', 'full', 'failed')),
  reason TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  used_bytes INTEGER NOT NULL,
  reported_at INTEGER
) STRICT;

-- A machine's SSH host keys (values/ssh-host-keys.ts) go with it.
CREATE TRIGGER secrets_of_machines AFTER DELETE ON machines BEGIN
  DELETE FROM secrets WHERE owner_id = old.id;
END;
`;
