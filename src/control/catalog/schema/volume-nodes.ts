/** Schema 4: what volumes with snapshots are made of where layers do what the array cannot. */
export const VOLUME_NODES = `
CREATE TABLE volume_nodes (
  id TEXT PRIMARY KEY,
  -- Forgotten with it, all at once.
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  -- What it stands on; NULL: a whole volume of the array.
  parent_id TEXT REFERENCES volume_nodes (id),
  data TEXT NOT NULL, -- JSON
  map TEXT, -- JSON
  size INTEGER NOT NULL,
  sealed INTEGER NOT NULL CHECK (sealed IN (0, 1)),
  -- The volume whose head it is, or the snapshot that it is; neither: something stands on it. No references:
  -- the service writes these together with what control keeps.
  volume_id TEXT UNIQUE,
  snapshot_id TEXT UNIQUE,
  CHECK ((parent_id IS NULL) = (map IS NULL)),
  CHECK (volume_id IS NULL OR snapshot_id IS NULL),
  CHECK (sealed = 1 OR volume_id IS NOT NULL)
) STRICT;
CREATE INDEX volume_nodes_by_parent ON volume_nodes (parent_id);
CREATE INDEX volume_nodes_hidden ON volume_nodes (id) WHERE volume_id IS NULL AND snapshot_id IS NULL;

-- Where its layers lie; NULL: in the service's own repository. A layer's volume_id says it as REPOSITORY/ID.
ALTER TABLE vdisks ADD COLUMN repository_id TEXT REFERENCES repositories (id) ON DELETE RESTRICT;

-- Tags that may be on an array although no record has them: about to be made, or to be deleted.
CREATE TABLE array_leftovers (
  tag TEXT PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX array_leftovers_by_repository ON array_leftovers (repository_id);
`;
