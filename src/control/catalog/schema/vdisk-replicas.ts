/** Schema 6: copies of vDisks' layers in other repositories. Times are milliseconds. */
export const VDISK_REPLICAS = `
-- In this repository all layers of this vDisk are wanted, also those of versions to come.
CREATE TABLE vdisk_replicas (
  vdisk_id TEXT NOT NULL REFERENCES vdisks (id) ON DELETE CASCADE,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE RESTRICT,
  -- Somebody has cancelled the copying; what is there stays and is served.
  paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (vdisk_id, repository_id)
) STRICT;
CREATE INDEX vdisk_replicas_by_repository ON vdisk_replicas (repository_id);

-- A copy that is whole, and was compared with the manifest of its layer. Layers belong to several vDisks.
CREATE TABLE layer_replicas (
  layer_id TEXT NOT NULL REFERENCES layers (id) ON DELETE CASCADE,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE RESTRICT,
  volume_id TEXT NOT NULL, -- in that repository
  verified_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (layer_id, repository_id)
) STRICT;
CREATE INDEX layer_replicas_by_repository ON layer_replicas (repository_id);

-- However a copy is forgotten, in the same transaction its volume becomes one that must go.
CREATE TRIGGER layer_replica_is_left AFTER DELETE ON layer_replicas BEGIN
  INSERT OR IGNORE INTO array_leftovers (tag, repository_id) VALUES (OLD.volume_id, OLD.repository_id);
END;
`;
