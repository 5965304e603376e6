/** Schema 14: volumes and snapshots that an array was asked to change or delete, until what came of it is recorded. */
export const UNSETTLED_OBJECTS = `
CREATE TABLE unsettled_objects (
  id TEXT PRIMARY KEY, -- of the volume or the snapshot
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('volume', 'snapshot')),
  may_be_gone INTEGER NOT NULL CHECK (may_be_gone IN (0, 1)) -- its deletion was asked for
) STRICT;
`;
