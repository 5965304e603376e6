/** Schema 7: hooks that are still to be called afterwards, also by the next process. */
export const HOOK_DEBTS = `
CREATE TABLE hook_debts (
  id TEXT PRIMARY KEY,
  occasion TEXT NOT NULL, -- JSON
  created_at INTEGER NOT NULL
) STRICT;
`;
