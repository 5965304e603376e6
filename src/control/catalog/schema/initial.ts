/** Schema 1: one image per vDisk, machines that boot from it. */
export const INITIAL = `
CREATE TABLE vdisks (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE versions (
  vdisk_id TEXT NOT NULL REFERENCES vdisks (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  layer_id TEXT NOT NULL UNIQUE,
  content_id TEXT NOT NULL,
  size INTEGER NOT NULL,
  data_bytes INTEGER NOT NULL,
  format TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('production')),
  kernel_file TEXT,
  initrd_file TEXT,
  root_partition TEXT NOT NULL,
  root_filesystem TEXT,
  initramfs TEXT NOT NULL,
  kernel_arguments TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (vdisk_id, number)
) STRICT;

CREATE TABLE machines (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  mac TEXT NOT NULL UNIQUE,
  vdisk_id TEXT NOT NULL REFERENCES vdisks (id) ON DELETE RESTRICT,
  cache_mode TEXT NOT NULL CHECK (cache_mode IN ('server', 'server-persistent')),
  quota_bytes INTEGER,
  kernel_arguments TEXT NOT NULL,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  enrolment TEXT NOT NULL CHECK (enrolment IN ('added', 'approved', 'automatic')),
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX machines_by_vdisk ON machines (vdisk_id);

CREATE TABLE enrolments (
  mac TEXT PRIMARY KEY,
  arch TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'refused')),
  first_seen_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL
) STRICT;

CREATE TABLE enrolment_template (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  vdisk_id TEXT NOT NULL REFERENCES vdisks (id) ON DELETE RESTRICT,
  name_pattern TEXT NOT NULL,
  cache_mode TEXT NOT NULL CHECK (cache_mode IN ('server', 'server-persistent')),
  quota_bytes INTEGER
) STRICT;

CREATE TABLE boots (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  machine_id TEXT NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
  vdisk_name TEXT NOT NULL,
  version INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  script_at INTEGER,
  kernel_at INTEGER,
  initrd_at INTEGER,
  first_block_at INTEGER,
  ready_at INTEGER,
  ended_at INTEGER,
  duration_ms INTEGER,
  ended TEXT CHECK (ended IN ('ready', 'quiet', 'disconnected', 'abandoned', 'superseded'))
) STRICT;
CREATE INDEX boots_by_machine ON boots (machine_id, id);
CREATE INDEX boots_under_way ON boots (id) WHERE ended IS NULL;

CREATE TABLE leases (
  ip TEXT PRIMARY KEY,
  mac TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT;

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  message TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_subject ON events (subject, id);

CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
  percent INTEGER NOT NULL,
  message TEXT NOT NULL,
  result TEXT,
  error TEXT,
  created_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;
CREATE INDEX tasks_by_time ON tasks (created_at);

-- What is already gone from the catalog and must still go from the disk.
CREATE TABLE removals (
  kind TEXT NOT NULL CHECK (kind IN ('layer', 'machine')),
  id TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
`;
