/** The files that an image is given, laid out as boot/prepare.sh expects them beside it. */
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BOOT_FOLDER, type ImageInitramfs, imageFiles } from '../demo/index.ts';

const TOOLS: readonly ImageInitramfs[] = ['initramfs-tools', 'dracut'];

/** @returns the script */
export async function stageFiles(folder: string): Promise<string> {
  for (const of of ['any', ...TOOLS] as const) {
    await mkdir(join(folder, of), { recursive: true });
    for (const { from, to } of imageFiles(of)) {
      const path = join(folder, of, to);
      const content = await readFile(join(BOOT_FOLDER, from));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      await chmod(path, content.subarray(0, 2).toString() === '#!' ? 0o755 : 0o644);
    }
  }
  const script = join(folder, 'prepare.sh');
  await copyFile(join(BOOT_FOLDER, 'prepare.sh'), script);
  await chmod(script, 0o755);
  return script;
}
