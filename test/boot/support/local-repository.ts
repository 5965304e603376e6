/** A repository of one Debian package, for an apt that can ask no network. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackage } from './debian-package.ts';

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
  const file = join(folder, `${name}.deb`);
  await buildPackage(file, control, program);
  const sum = createHash('sha256').update(readFileSync(file)).digest('hex');
  const listed = [...control, `Filename: ./${name}.deb`, `Size: ${statSync(file).size}`];
  writeFileSync(join(folder, 'Packages'), `${[...listed, `SHA256: ${sum}`].join('\n')}\n`);
}
