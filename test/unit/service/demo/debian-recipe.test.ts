import { expect, test } from 'vitest';
import { bootFilesWithoutAPlace, imageRecipe } from '../../../../src/service/demo/debian-recipe.ts';

test('every file of boot/ has its place in the image', async () => {
  expect(await bootFilesWithoutAPlace()).toEqual([]);
});

test('scripts can be run, and the hash names the content', async () => {
  const recipe = await imageRecipe('bookworm');
  for (const { path, content, mode } of recipe.files) {
    expect(mode, path).toBe(content.startsWith('#!') ? 0o755 : 0o644);
  }
  expect(recipe.files.filter(({ mode }) => mode === 0o755)).not.toHaveLength(0);
  expect(recipe.hash).toMatch(/^[0-9a-f]{64}$/);
  expect((await imageRecipe('bookworm')).hash).toBe(recipe.hash);
  expect((await imageRecipe('trixie')).hash).not.toBe(recipe.hash);
});
