/** Schema 12: what XenAPI's clients say of objects, and who they are. Times are milliseconds. */
export const XENAPI = `
-- What nothing else of the catalog knows of an object: tags, other_config, a uuid that a client chose ...
CREATE TABLE xen_objects (
  class TEXT NOT NULL, -- as XenAPI spells it
  -- Of what the object stands for, in whichever table that lies; or an id of its own. No reference: some objects
  -- outlive what they stood for.
  id TEXT NOT NULL,
  -- NULL: the id is its uuid, too.
  uuid TEXT,
  fields TEXT NOT NULL, -- JSON
  PRIMARY KEY (class, id),
  UNIQUE (class, uuid)
) STRICT;

CREATE TABLE xen_users (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL CHECK (role IN ('read-only', 'vm-operator', 'vm-admin', 'vm-power-admin', 'pool-operator',
    'pool-admin')),
  -- Hashed, with salt and parameters (values/password-hash.ts).
  password TEXT NOT NULL,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  created_at INTEGER NOT NULL,
  last_login_at INTEGER
) STRICT;
`;
