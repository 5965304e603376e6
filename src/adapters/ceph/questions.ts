/** What the data ports of a repository ask its control port (AskControl), as plain data. */
import { BlockError } from '../../errors/index.ts';

export type Question =
  | { readonly ask: 'open'; readonly image: string; readonly snapshot: number | undefined }
  | { readonly ask: 'again'; readonly server: number; readonly generation: number }
  | { readonly ask: 'release'; readonly server: number };

/** @throws BlockError EINVAL */
export function questionOf(value: unknown): Question {
  const { ask, image, snapshot, server, generation } = (value ?? {}) as Record<string, unknown>;
  const number = typeof server === 'number';
  if (ask === 'open' && typeof image === 'string') {
    if (snapshot === undefined || typeof snapshot === 'number') return { ask, image, snapshot };
  }
  if (ask === 'again' && number && typeof generation === 'number') {
    return { ask, server, generation };
  }
  if (ask === 'release' && number) return { ask, server };
  throw new BlockError('EINVAL', 'open', 0, 0, 'not a question that this repository knows');
}
