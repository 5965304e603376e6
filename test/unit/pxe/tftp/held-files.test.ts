import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { MAX_TFTP_HELD_BYTES } from '../../../../src/pxe/limits.ts';
import { HeldFiles } from '../../../../src/pxe/tftp/held-files.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

async function fileOf(text: string) {
  const { path: folder, remove } = await temporaryFolder('held');
  onTestFinished(remove);
  const path = join(folder, 'kernel');
  await writeFile(path, text);
  return { path, size: text.length };
}

it('reads a file once for all who fetch it, and again when the last of them has ended', async () => {
  const files = new HeldFiles();
  const file = await fileOf('first');
  const [one, two] = await Promise.all([files.hold(file), files.hold(file)]);
  expect(one?.content.toString()).toBe('first');
  expect(two?.content).toBe(one?.content);
  await writeFile(file.path, 'other');
  one?.release();
  const three = await files.hold(file);
  expect(three?.content).toBe(one?.content);
  two?.release();
  three?.release();
  expect((await files.hold(file))?.content.toString()).toBe('other');
});

it('refuses more than memory is given for, until something has ended', async () => {
  const files = new HeldFiles();
  const small = await fileOf('x');
  const held = await files.hold(small);
  const large = { path: `${small.path}-large`, size: MAX_TFTP_HELD_BYTES };
  expect(await files.hold(large)).toBeUndefined();
  held?.release();
  // There is room now; that there is no such file is another matter, and costs no room.
  await expect(files.hold(large)).rejects.toThrow(/ENOENT/);
  expect((await files.hold(small))?.content.toString()).toBe('x');
});
