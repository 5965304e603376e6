/** Schema 5: replications, and the points that they have sent. Times are milliseconds, sizes are bytes. */
export const REPLICATION = `
CREATE TABLE replications (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('engine', 'array')),
  -- Left is where it came from when the replication was made, right is the other repository.
  left_repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE RESTRICT,
  right_repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE RESTRICT,
  -- The side that is written; the other one is the replica.
  source_side TEXT NOT NULL CHECK (source_side IN ('left', 'right')),
  interval_ms INTEGER,
  rpo_ms INTEGER,
  bytes_per_second INTEGER,
  compare INTEGER NOT NULL CHECK (compare IN (0, 1)),
  verification TEXT NOT NULL CHECK (verification IN ('whole', 'sampled')),
  keep_source INTEGER NOT NULL,
  keep_target INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('initializing', 'in-sync', 'syncing', 'idle-consistent', 'paused',
    'failed-over', 'promoting', 'demoted', 'reprotecting', 'split-brain', 'broken', 'error', 'unknown')),
  reason TEXT,
  paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
  failover TEXT NOT NULL CHECK (failover IN ('none', 'planned', 'forced')),
  -- After a forced failover: the old source holds what was never sent; NULL: not looked at yet.
  diverged INTEGER CHECK (diverged IN (0, 1)),
  -- The point that the heads of the replica hold; NULL: they hold something else.
  head_point_id TEXT,
  -- A run has begun, and its end is not known: after a restart it goes on.
  is_running INTEGER NOT NULL CHECK (is_running IN (0, 1)),
  next_at INTEGER,
  failures INTEGER NOT NULL,
  rpo_missed INTEGER NOT NULL CHECK (rpo_missed IN (0, 1)),
  -- Of the arrays' own replication: the newest moment that is complete on the other side.
  synced_at INTEGER,
  last_point INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  CHECK (left_repository_id <> right_repository_id)
) STRICT;

-- A volume is in one replication only: which of two would fence it?
CREATE TABLE replication_members (
  replication_id TEXT NOT NULL REFERENCES replications (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  left_volume_id TEXT NOT NULL UNIQUE REFERENCES volumes (id) ON DELETE RESTRICT,
  -- NULL: still to be made.
  right_volume_id TEXT UNIQUE REFERENCES volumes (id) ON DELETE RESTRICT,
  right_name TEXT NOT NULL,
  PRIMARY KEY (replication_id, position)
) STRICT;

CREATE TABLE replication_points (
  id TEXT PRIMARY KEY,
  replication_id TEXT NOT NULL REFERENCES replications (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  -- discarded: it came to nothing, and its snapshots are still to be deleted.
  state TEXT NOT NULL CHECK (state IN ('sending', 'complete', 'discarded')),
  source_side TEXT NOT NULL CHECK (source_side IN ('left', 'right')),
  -- While it is being sent: what it is a difference to; NULL: all of it is sent.
  base_point_id TEXT,
  -- The heads held the base when the first byte was sent.
  heads_ready INTEGER NOT NULL CHECK (heads_ready IN (0, 1)),
  -- Its replica was read, and is not what was sent.
  damaged INTEGER NOT NULL CHECK (damaged IN (0, 1)),
  -- The moment of the source that it is.
  taken_at INTEGER NOT NULL,
  completed_at INTEGER,
  UNIQUE (replication_id, number)
) STRICT;
CREATE UNIQUE INDEX one_point_is_sent ON replication_points (replication_id) WHERE state = 'sending';

CREATE TABLE replication_point_members (
  point_id TEXT NOT NULL REFERENCES replication_points (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  left_snapshot_id TEXT REFERENCES volume_snapshots (id) ON DELETE SET NULL,
  right_snapshot_id TEXT REFERENCES volume_snapshots (id) ON DELETE SET NULL,
  size INTEGER NOT NULL,
  content_id TEXT,
  content_sum TEXT,
  cursor TEXT, -- JSON
  figures TEXT, -- JSON
  PRIMARY KEY (point_id, position)
) STRICT;
CREATE INDEX replication_point_members_by_left ON replication_point_members (left_snapshot_id);
CREATE INDEX replication_point_members_by_right ON replication_point_members (right_snapshot_id);

-- What test failovers have made.
CREATE TABLE replication_tests (
  volume_id TEXT PRIMARY KEY REFERENCES volumes (id) ON DELETE CASCADE,
  replication_id TEXT NOT NULL REFERENCES replications (id) ON DELETE CASCADE,
  point_number INTEGER NOT NULL
) STRICT;
`;
