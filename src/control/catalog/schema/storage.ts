/**
 * Schema 3: repositories with their volumes and snapshots, the hosts that volumes are mapped to, and what happens by
 * itself: schedules and hooks. Who is mapped where is asked of the arrays and not kept.
 */
export const STORAGE = `
CREATE TABLE repositories (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  kind TEXT NOT NULL,
  -- JSON, without what is in secrets.
  settings TEXT NOT NULL,
  -- unreachable: to be attached, and tried again and again.
  state TEXT NOT NULL CHECK (state IN ('attached', 'detached', 'unreachable')),
  reason TEXT,
  -- JSON, as it was when it was attached last.
  info TEXT,
  capabilities TEXT,
  warning_percent INTEGER NOT NULL,
  critical_percent INTEGER NOT NULL,
  space_level TEXT NOT NULL CHECK (space_level IN ('normal', 'warning', 'critical')),
  created_at INTEGER NOT NULL
) STRICT;

-- Read when a repository is attached or a hook is called, and by nothing else.
CREATE TABLE secrets (
  owner_id TEXT NOT NULL, -- a repository or a hook
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (owner_id, field)
) STRICT;

CREATE TABLE volumes (
  id TEXT PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE RESTRICT,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  size INTEGER NOT NULL,
  thin INTEGER NOT NULL CHECK (thin IN (0, 1)),
  wwid TEXT,
  handle TEXT NOT NULL, -- JSON; the service's own business
  role TEXT NOT NULL CHECK (role IN ('volume', 'replica')),
  -- What a linked clone was made from and stands on.
  parent_snapshot_id TEXT REFERENCES volume_snapshots (id) ON DELETE SET NULL,
  parent_volume_id TEXT REFERENCES volumes (id) ON DELETE SET NULL,
  -- The parent of its next snapshot: the last one, or the one that it was reverted to.
  head_snapshot_id TEXT REFERENCES volume_snapshots (id) ON DELETE SET NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (repository_id, name)
) STRICT;
CREATE INDEX volumes_by_parent_snapshot ON volumes (parent_snapshot_id);
CREATE INDEX volumes_by_parent_volume ON volumes (parent_volume_id);
CREATE INDEX volumes_by_head ON volumes (head_snapshot_id);

CREATE TABLE volume_snapshots (
  id TEXT PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE RESTRICT,
  -- NULL: its volume is deleted, and it lives on.
  volume_id TEXT REFERENCES volumes (id) ON DELETE SET NULL,
  -- Of its volume, as it was called when it was there last.
  volume_name TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  parent_id TEXT REFERENCES volume_snapshots (id) ON DELETE SET NULL,
  -- The same for all that are of one moment.
  group_id TEXT,
  size INTEGER NOT NULL,
  handle TEXT NOT NULL,
  emulated INTEGER NOT NULL CHECK (emulated IN (0, 1)),
  consistency TEXT NOT NULL CHECK (consistency IN ('crash', 'application')),
  schedule_id TEXT REFERENCES snapshot_schedules (id) ON DELETE SET NULL,
  -- No schedule deletes it.
  held INTEGER NOT NULL CHECK (held IN (0, 1)),
  created_at INTEGER NOT NULL,
  UNIQUE (volume_id, name)
) STRICT;
CREATE INDEX volume_snapshots_by_repository ON volume_snapshots (repository_id, created_at, id);
CREATE INDEX volume_snapshots_by_volume ON volume_snapshots (volume_id, created_at, id);
CREATE INDEX volume_snapshots_by_parent ON volume_snapshots (parent_id);
CREATE INDEX volume_snapshots_by_schedule ON volume_snapshots (schedule_id, volume_id);

CREATE TABLE hosts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  iqns TEXT NOT NULL, -- JSON
  addresses TEXT NOT NULL, -- JSON
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE volume_groups (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE volume_group_members (
  group_id TEXT NOT NULL REFERENCES volume_groups (id) ON DELETE CASCADE,
  volume_id TEXT NOT NULL REFERENCES volumes (id) ON DELETE RESTRICT,
  PRIMARY KEY (group_id, volume_id)
) STRICT;
CREATE INDEX volume_group_members_by_volume ON volume_group_members (volume_id);

CREATE TABLE snapshot_schedules (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  -- A group; NULL: the volumes of snapshot_schedule_members, each for itself.
  group_id TEXT REFERENCES volume_groups (id) ON DELETE RESTRICT,
  rhythm TEXT NOT NULL, -- JSON: an interval, or times as cron has them
  keep TEXT NOT NULL, -- JSON
  prefix TEXT NOT NULL,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  next_at INTEGER NOT NULL,
  last_at INTEGER,
  -- A run has begun and its end is not known: after a crash it is made up for.
  is_running INTEGER NOT NULL CHECK (is_running IN (0, 1)),
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE snapshot_schedule_members (
  schedule_id TEXT NOT NULL REFERENCES snapshot_schedules (id) ON DELETE CASCADE,
  volume_id TEXT NOT NULL REFERENCES volumes (id) ON DELETE RESTRICT,
  PRIMARY KEY (schedule_id, volume_id)
) STRICT;
CREATE INDEX snapshot_schedule_members_by_volume ON snapshot_schedule_members (volume_id);

CREATE TABLE hooks (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  -- Whose: one of the three.
  repository_id TEXT REFERENCES repositories (id) ON DELETE CASCADE,
  volume_id TEXT REFERENCES volumes (id) ON DELETE CASCADE,
  group_id TEXT REFERENCES volume_groups (id) ON DELETE CASCADE,
  moment TEXT NOT NULL CHECK (moment IN ('before-snapshot', 'after-snapshot', 'before-replication',
    'after-replication', 'before-failover', 'after-failover')),
  argv TEXT, -- JSON
  url TEXT,
  timeout_ms INTEGER NOT NULL,
  policy TEXT NOT NULL CHECK (policy IN ('abort', 'continue')),
  -- What it does makes a snapshot consistent for its applications.
  quiesces INTEGER NOT NULL CHECK (quiesces IN (0, 1)),
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  created_at INTEGER NOT NULL,
  CHECK ((repository_id IS NULL) + (volume_id IS NULL) + (group_id IS NULL) = 2),
  CHECK ((argv IS NULL) + (url IS NULL) = 1)
) STRICT;
-- Whatever takes an owner away takes its secrets along.
CREATE TRIGGER secrets_of_repositories AFTER DELETE ON repositories BEGIN
  DELETE FROM secrets WHERE owner_id = OLD.id;
END;
CREATE TRIGGER secrets_of_hooks AFTER DELETE ON hooks BEGIN
  DELETE FROM secrets WHERE owner_id = OLD.id;
END;
CREATE INDEX hooks_by_repository ON hooks (repository_id);
CREATE INDEX hooks_by_volume ON hooks (volume_id);
CREATE INDEX hooks_by_group ON hooks (group_id);
`;
