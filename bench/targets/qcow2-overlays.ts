/** Fresh qcow2 overlays (64 KiB clusters, qemu's default), as a user makes them: one file a machine. */
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param backing what the overlays stand on: a path, or a URI that qemu knows
 * @returns the paths of `count` overlays
 */
export function createOverlays(backing: string, count: number, folder: string): string[] {
  const paths = Array.from({ length: count }, (_, machine) =>
    join(folder, `machine-${machine}.qcow2`),
  );
  const [first, ...others] = paths;
  if (first === undefined) return [];
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', backing, '-F', 'raw', first]);
  // Empty overlays over the same image are equal to the byte, and a process each takes its time.
  for (const path of others) copyFileSync(first, path);
  return paths;
}
