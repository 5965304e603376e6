/**
 * Schema 2: versions have states and layers (docs/adr/0014), machines belong to collections from which
 * they inherit what they do not set, locks have leases, and events say who.
 */
export const LIFECYCLE = `
CREATE TABLE layers (
  id TEXT PRIMARY KEY,
  parent_id TEXT REFERENCES layers (id) ON DELETE RESTRICT,
  volume_id TEXT NOT NULL UNIQUE,
  content_id TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- Of the disk as seen from this layer, and of what this layer itself holds.
  data_bytes INTEGER NOT NULL,
  own_bytes INTEGER NOT NULL,
  verified_at INTEGER,
  damaged_chunks INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX layers_by_parent ON layers (parent_id);
CREATE INDEX layers_by_content ON layers (content_id);
INSERT INTO layers (id, parent_id, volume_id, content_id, size, data_bytes, own_bytes, created_at)
  SELECT layer_id, NULL, layer_id, content_id, size, data_bytes, data_bytes, created_at FROM versions;

-- A layer that a merge has replaced, and the one of equal content that took its place.
CREATE TABLE layer_aliases (
  id TEXT PRIMARY KEY,
  layer_id TEXT NOT NULL REFERENCES layers (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX layer_aliases_by_layer ON layer_aliases (layer_id);

ALTER TABLE vdisks ADD COLUMN pinned_version INTEGER;
-- The number of a version is never given again, also when the version is gone.
ALTER TABLE vdisks ADD COLUMN last_version INTEGER NOT NULL DEFAULT 1;

CREATE TABLE versions_2 (
  id TEXT NOT NULL UNIQUE,
  vdisk_id TEXT NOT NULL REFERENCES vdisks (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('maintenance', 'test', 'production', 'deleting')),
  -- A maintenance version that is the only thing its vDisk boots, and ends in production.
  private INTEGER NOT NULL CHECK (private IN (0, 1)),
  -- The sealed layer; while in maintenance there is none, but what the overlay stands on.
  layer_id TEXT REFERENCES layers (id) ON DELETE RESTRICT,
  base_layer_id TEXT REFERENCES layers (id) ON DELETE RESTRICT,
  parent_number INTEGER,
  release_at INTEGER,
  description TEXT NOT NULL,
  format TEXT NOT NULL,
  kernel_file TEXT,
  initrd_file TEXT,
  root_partition TEXT NOT NULL,
  root_filesystem TEXT,
  initramfs TEXT NOT NULL,
  -- Kernel and initrd were given by hand: versions made from this one keep them.
  boot_files_given INTEGER NOT NULL CHECK (boot_files_given IN (0, 1)),
  kernel_arguments TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  sealed_at INTEGER,
  PRIMARY KEY (vdisk_id, number),
  CHECK ((layer_id IS NULL) = (state = 'maintenance')),
  CHECK ((base_layer_id IS NULL) = (state <> 'maintenance'))
) STRICT;
INSERT INTO versions_2
  SELECT lower(hex(randomblob(16))), vdisk_id, number, state, 0, layer_id, NULL, NULL, NULL, '', format,
    kernel_file, initrd_file, root_partition, root_filesystem, initramfs, 0, kernel_arguments, created_at,
    created_at
  FROM versions;
DROP TABLE versions;
ALTER TABLE versions_2 RENAME TO versions;
CREATE INDEX versions_by_layer ON versions (layer_id);
CREATE UNIQUE INDEX one_maintenance_version ON versions (vdisk_id) WHERE state = 'maintenance';

CREATE TABLE collections (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  vdisk_id TEXT REFERENCES vdisks (id) ON DELETE RESTRICT,
  class TEXT CHECK (class IN ('production', 'test', 'maintenance')),
  cache_mode TEXT CHECK (cache_mode IN ('server', 'server-persistent')),
  -- -1: none.
  quota_bytes INTEGER,
  on_new_version TEXT CHECK (on_new_version IN ('keep', 'discard')),
  enabled INTEGER CHECK (enabled IN (0, 1)),
  kernel_arguments TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- What is NULL is inherited from the collection, and what is NULL there too is the default.
CREATE TABLE machines_2 (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  mac TEXT NOT NULL UNIQUE,
  collection_id TEXT REFERENCES collections (id) ON DELETE RESTRICT,
  vdisk_id TEXT REFERENCES vdisks (id) ON DELETE RESTRICT,
  class TEXT CHECK (class IN ('production', 'test', 'maintenance')),
  pinned_version INTEGER,
  -- Its disk is the overlay of this version in maintenance, until its next boot.
  maintains TEXT,
  cache_mode TEXT CHECK (cache_mode IN ('server', 'server-persistent')),
  quota_bytes INTEGER,
  on_new_version TEXT CHECK (on_new_version IN ('keep', 'discard')),
  enabled INTEGER CHECK (enabled IN (0, 1)),
  kernel_arguments TEXT NOT NULL,
  enrolment TEXT NOT NULL CHECK (enrolment IN ('added', 'approved', 'automatic')),
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO machines_2
  SELECT id, name, mac, NULL, vdisk_id, NULL, NULL, NULL, cache_mode, coalesce(quota_bytes, -1), NULL, enabled,
    kernel_arguments, enrolment, created_at
  FROM machines;
DROP TABLE machines;
ALTER TABLE machines_2 RENAME TO machines;
CREATE INDEX machines_by_vdisk ON machines (vdisk_id);
CREATE INDEX machines_by_collection ON machines (collection_id);

CREATE TABLE personality (
  owner_id TEXT NOT NULL, -- a machine or a collection
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (owner_id, name)
) STRICT;

-- A template says what a machine may say of itself; NULL is left to the collection.
CREATE TABLE enrolment_template_2 (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  name_pattern TEXT NOT NULL,
  collection_id TEXT REFERENCES collections (id) ON DELETE RESTRICT,
  vdisk_id TEXT REFERENCES vdisks (id) ON DELETE RESTRICT,
  class TEXT CHECK (class IN ('production', 'test', 'maintenance')),
  cache_mode TEXT CHECK (cache_mode IN ('server', 'server-persistent')),
  quota_bytes INTEGER,
  on_new_version TEXT CHECK (on_new_version IN ('keep', 'discard')),
  enabled INTEGER CHECK (enabled IN (0, 1))
) STRICT;
INSERT INTO enrolment_template_2
  SELECT 1, name_pattern, NULL, vdisk_id, NULL, cache_mode, coalesce(quota_bytes, -1), NULL, NULL
  FROM enrolment_template;
DROP TABLE enrolment_template;
ALTER TABLE enrolment_template_2 RENAME TO enrolment_template;

-- A lock that nobody holds keeps its row: its token only ever grows.
CREATE TABLE locks (
  name TEXT PRIMARY KEY,
  token INTEGER NOT NULL,
  holder TEXT,
  expires_at INTEGER NOT NULL
) STRICT;

ALTER TABLE events ADD COLUMN actor TEXT NOT NULL DEFAULT 'service';
CREATE INDEX events_by_actor ON events (id) WHERE actor <> 'service';
ALTER TABLE tasks ADD COLUMN actor TEXT NOT NULL DEFAULT 'service';
ALTER TABLE removals ADD COLUMN volume_id TEXT;
`;
