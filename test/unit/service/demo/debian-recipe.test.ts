import { expect, test } from 'vitest';
import { bootFilesWithoutAPlace, imageRecipe } from '../../../../src/service/demo/debian-recipe.ts';

test('every file of boot/ has its place in the image', async () => {
  expect(await bootFilesWithoutAPlace()).toEqual([]);
});

const INITRAMFS = ['initramfs-tools', 'dracut'] as const;

test.each(INITRAMFS)(
  '%s: scripts can be run, and the hash names the content',
  async (initramfs) => {
    const recipe = await imageRecipe('bookworm', initramfs);
    for (const { path, content, mode } of recipe.files) {
      expect(mode, path).toBe(content.startsWith('#!') ? 0o755 : 0o644);
    }
    expect(recipe.files.filter(({ mode }) => mode === 0o755)).not.toHaveLength(0);
    expect(recipe.hash).toMatch(/^[0-9a-f]{64}$/);
    expect((await imageRecipe('bookworm', initramfs)).hash).toBe(recipe.hash);
    expect((await imageRecipe('trixie', initramfs)).hash).not.toBe(recipe.hash);
  },
);

test('each initramfs has an image of its own, with its own files', async () => {
  const [tools, dracut] = await Promise.all(INITRAMFS.map((name) => imageRecipe('bookworm', name)));
  expect(dracut?.hash).not.toBe(tools?.hash);
  expect(tools?.packages).not.toContain('dracut');
  expect(dracut?.packages).not.toContain('initramfs-tools');
  expect(dracut?.files.filter(({ path }) => path.includes('initramfs-tools'))).toEqual([]);
  expect(tools?.files.filter(({ path }) => path.includes('dracut'))).toEqual([]);
});
