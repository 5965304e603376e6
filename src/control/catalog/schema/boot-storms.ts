/** Schema 11: the queue of machines that want to boot, more of a boot's timeline, and traces of boots. */
export const BOOT_STORMS = `
ALTER TABLE boots ADD COLUMN dhcp_at INTEGER;
ALTER TABLE boots ADD COLUMN loader_at INTEGER;
ALTER TABLE boots ADD COLUMN queued_at INTEGER;
ALTER TABLE boots ADD COLUMN admitted_at INTEGER;
ALTER TABLE boots ADD COLUMN root_mounted_at INTEGER;

-- Machines that have asked for a boot and wait to be admitted.
CREATE TABLE boot_queue (
  machine_id TEXT PRIMARY KEY REFERENCES machines (id) ON DELETE CASCADE,
  asked_at INTEGER NOT NULL
) STRICT;

-- How many of a collection's or a vDisk's machines boot at once, and who goes first; NULL: nothing is said.
CREATE TABLE boot_rules (
  machine_id TEXT UNIQUE REFERENCES machines (id) ON DELETE CASCADE,
  collection_id TEXT UNIQUE REFERENCES collections (id) ON DELETE CASCADE,
  vdisk_id TEXT UNIQUE REFERENCES vdisks (id) ON DELETE CASCADE,
  most INTEGER,
  priority INTEGER,
  CHECK ((machine_id IS NOT NULL) + (collection_id IS NOT NULL) + (vdisk_id IS NOT NULL) = 1)
) STRICT;

-- What single boots of a content read first, in the order of first access (values/trace-units.ts).
CREATE TABLE boot_traces (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  content_id TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  machine TEXT NOT NULL,
  unit_bytes INTEGER NOT NULL,
  units BLOB NOT NULL
) STRICT;
CREATE INDEX boot_traces_by_content ON boot_traces (content_id, id);

-- A trace lives as long as a layer of its content: a merge makes another one first.
CREATE TRIGGER boot_trace_is_left AFTER DELETE ON layers
  WHEN NOT EXISTS (SELECT 1 FROM layers WHERE content_id = OLD.content_id) BEGIN
  DELETE FROM boot_traces WHERE content_id = OLD.content_id;
END;
`;
