import { realpathSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { Fault } from '../../errors/index.ts';

/**
 * Nothing is exported into the data folder: a file there could take the place of a volume, or be swept away.
 * @throws Fault INVALID_INPUT
 */
export function refuseOwnFolder(path: string, dataFolder: string): void {
  let folder: string;
  try {
    folder = realpathSync(dirname(resolve(path)));
  } catch {
    return; // whoever writes the file says what is wrong with its folder
  }
  if (!`${folder}${sep}`.startsWith(`${realpathSync(dataFolder)}${sep}`)) return;
  const details = { field: 'path', value: path, expected: 'a path outside of the data folder' };
  throw new Fault('INVALID_INPUT', `${path} is in the data folder of the service`, details);
}
