import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runProgram } from '../../../src/service/demo/index.ts';

/** Makes a Debian package with one program in it, and a folder `package` on the way. @param control its lines */
export async function buildPackage(
  file: string,
  control: readonly string[],
  program: { readonly path: string; readonly content: Buffer | string },
): Promise<void> {
  const tree = join(dirname(file), 'package');
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  writeFileSync(join(tree, 'DEBIAN/control'), `${control.join('\n')}\n`);
  const installed = join(tree, program.path);
  mkdirSync(dirname(installed), { recursive: true });
  writeFileSync(installed, program.content);
  chmodSync(installed, 0o755);
  await runProgram(['dpkg-deb', '--root-owner-group', '--build', tree, file]);
}
