import { lstat, readFile, realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { unsupported } from './prepare-system.ts';

/**
 * A folder in whose place a copy is to be put is no link, nothing is mounted at it, and nothing in it: what is
 * mounted there would be copied, and removed with the old folder.
 * @throws Fault IMAGE_UNSUPPORTED
 */
export async function refuseMounts(path: string): Promise<void> {
  if ((await lstat(path)).isSymbolicLink()) {
    throw unsupported(path, 'it is a link, in whose place no copy can be put');
  }
  const [found] = mountsIn(await realpath(path), await readFile('/proc/self/mountinfo', 'utf8'));
  if (found !== undefined) throw unsupported(path, `${found} is mounted: unmount it first`);
}

/** @param mountinfo as proc(5) has it: the fifth field of a line is where; blanks in it are octal */
export function mountsIn(folder: string, mountinfo: string): readonly string[] {
  const points = mountinfo.split('\n').flatMap((line) => {
    const [, , , , point] = line.split(' ');
    return point === undefined ? [] : [unescaped(point)];
  });
  return points.filter((point) => point === folder || point.startsWith(`${folder}${sep}`));
}

function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
