import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh folder; `remove` deletes it with everything in it. */
export async function temporaryFolder(
  name: string,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `rootcast-${name}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
