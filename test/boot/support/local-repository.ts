/** A repository of one Debian package, for an apt that can ask no network. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runProgram } from '../../../src/service/demo/index.ts';

export interface LocalPackage {
  readonly name: string;
  readonly version: string;
  /** The one program in it. */
  readonly program: { readonly path: string; readonly content: Buffer };
}

/** Makes `Packages` and `NAME.deb` in the folder. */
export async function makeLocalRepository(
  folder: string,
  { name, version, program }: LocalPackage,
): Promise<void> {
  const control = [
    `Package: ${name}`,
    `Version: ${version}`,
    'Architecture: amd64',
    'Maintainer: Nobody <nobody@example.org>',
    'Description: stands for the real one in a test',
  ];
  const tree = join(folder, 'package');
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  writeFileSync(join(tree, 'DEBIAN/control'), `${control.join('\n')}\n`);
  const installed = join(tree, program.path);
  mkdirSync(dirname(installed), { recursive: true });
  writeFileSync(installed, program.content);
  chmodSync(installed, 0o755);
  const file = join(folder, `${name}.deb`);
  await runProgram(['dpkg-deb', '--root-owner-group', '--build', tree, file]);
  const sum = createHash('sha256').update(readFileSync(file)).digest('hex');
  const listed = [...control, `Filename: ./${name}.deb`, `Size: ${statSync(file).size}`];
  writeFileSync(join(folder, 'Packages'), `${[...listed, `SHA256: ${sum}`].join('\n')}\n`);
}
