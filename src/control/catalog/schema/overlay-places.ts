/** Schema 8: write caches of vDisks in other repositories than the service's own (docs/adr/0018). */
export const OVERLAY_PLACES = `
-- Where those lie that are made from now on; NULL: in the service's own repository.
ALTER TABLE vdisks ADD COLUMN overlay_repository_id TEXT REFERENCES repositories (id) ON DELETE RESTRICT;

-- Overlays that are elsewhere, whole and ready for use. Those in the service's own repository say by the names of
-- their volumes what they are. No reference to the owner: it is a machine, or a version in maintenance.
CREATE TABLE overlay_places (
  owner_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  layer_id TEXT NOT NULL, -- what it stands on, as it was called then
  repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE RESTRICT,
  data_tag TEXT NOT NULL UNIQUE,
  map_tag TEXT NOT NULL UNIQUE,
  PRIMARY KEY (owner_id, number)
) STRICT;
CREATE INDEX overlay_places_by_repository ON overlay_places (repository_id);

-- However an overlay is forgotten, in the same transaction its volumes become such that must go. Whoever makes a
-- layer of the data volume takes that one back.
CREATE TRIGGER overlay_is_left AFTER DELETE ON overlay_places BEGIN
  INSERT OR IGNORE INTO array_leftovers (tag, repository_id)
    VALUES (OLD.data_tag, OLD.repository_id), (OLD.map_tag, OLD.repository_id);
END;
`;
