/** Modules of the Debian image's kernel, with all that they depend on, read from the image's disk without mounting it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type DebianImage, PARTITION_OFFSET, runProgram } from '../../../src/service/demo/index.ts';

const INDEXES = ['modules.dep', 'modules.dep.bin', 'modules.alias.bin', 'modules.builtin.bin'];

export interface ModuleFile {
  /** In the initramfs, where /lib is a link to usr/lib. */
  readonly path: string;
  readonly content: Buffer;
}

/** @param names as modprobe takes them, underscores and all */
export async function kernelModules(
  image: DebianImage,
  names: readonly string[],
): Promise<readonly ModuleFile[]> {
  if (names.length === 0) return [];
  const folder = await mkdtemp(join(tmpdir(), 'rootcast-modules-'));
  try {
    const debugfs = async (command: string): Promise<string> =>
      runProgram(['debugfs', '-R', command, `${image.disk}?offset=${PARTITION_OFFSET}`]);
    const versions = await debugfs('ls -p /lib/modules');
    const [, version] = /\/(\d+\.\d+\.[^/\s]*)\//.exec(versions) ?? [];
    if (version === undefined) throw new Error(`no kernel modules in ${image.disk}: ${versions}`);
    const read = async (file: string): Promise<ModuleFile> => {
      const copy = join(folder, basename(file));
      await debugfs(`dump /lib/modules/${version}/${file} ${copy}`);
      return { path: `usr/lib/modules/${version}/${file}`, content: await readFile(copy) };
    };
    const files: ModuleFile[] = [];
    for (const index of INDEXES) files.push(await read(index));
    const dependencies = (files[0]?.content ?? Buffer.alloc(0)).toString();
    for (const file of closureOf(dependencies, names)) files.push(await read(file));
    return files;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param dependencies modules.dep, which already lists the dependencies of dependencies */
function closureOf(dependencies: string, names: readonly string[]): ReadonlySet<string> {
  const files = new Set<string>();
  for (const name of names) {
    const line = dependencies
      .split('\n')
      .find((text) => basename(text.split(':')[0] ?? '', '.ko').replaceAll('-', '_') === name);
    if (line === undefined) throw new Error(`the kernel of the image has no module ${name}`);
    for (const file of line.split(/[:\s]+/)) if (file !== '') files.add(file);
  }
  return files;
}
