/** Schema 13: disks of which it is asked what has changed, and what is known of that when their data is gone. */
export const CHANGED_BLOCKS = `
CREATE TABLE tracked_disks (
  -- Of a volume, or of a snapshot, which may be gone: then this is all that is left of it.
  id TEXT PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  -- A snapshot's volume; a volume's own id; NULL: the volume is deleted.
  volume_id TEXT REFERENCES volumes (id) ON DELETE SET NULL,
  -- tracked: it is there. anchor: its data is to go, when the next snapshot is there. log: its data is gone.
  -- leaving: it is to go altogether, when others do not need it any more.
  state TEXT NOT NULL CHECK (state IN ('tracked', 'anchor', 'log', 'leaving')),
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX tracked_disks_by_repository ON tracked_disks (repository_id);
CREATE INDEX tracked_disks_by_volume ON tracked_disks (volume_id);
CREATE INDEX tracked_disks_going ON tracked_disks (state) WHERE state IN ('anchor', 'leaving');
-- Whoever takes a snapshot, and whoever deletes what is tracked: nobody has to think of it.
CREATE TRIGGER tracked_snapshots AFTER INSERT ON volume_snapshots
  WHEN EXISTS (SELECT 1 FROM tracked_disks WHERE id = NEW.volume_id)
BEGIN
  INSERT INTO tracked_disks (id, repository_id, volume_id, state, size, created_at)
  VALUES (NEW.id, NEW.repository_id, NEW.volume_id, 'tracked', NEW.size, NEW.created_at);
END;
CREATE TRIGGER tracked_volumes_deleted AFTER DELETE ON volumes BEGIN
  DELETE FROM tracked_disks WHERE id = OLD.id;
END;

-- What has changed from one disk to a later one, where one of the two has no data any more.
CREATE TABLE change_logs (
  from_id TEXT NOT NULL,
  to_id TEXT NOT NULL,
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  -- Bytes of the later one.
  size INTEGER NOT NULL,
  -- One bit for each 64 KiB of it, the lowest of a byte first, compressed (zstd).
  bits BLOB NOT NULL,
  PRIMARY KEY (from_id, to_id)
) STRICT;
CREATE INDEX change_logs_by_to ON change_logs (to_id);
CREATE INDEX change_logs_by_repository ON change_logs (repository_id);
`;
