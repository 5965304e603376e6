import { afterAll, beforeAll, beforeEach, onTestFailed } from 'vitest';
import type { ImageOptions } from '../../../src/service/demo/index.ts';
import { BootLab } from './boot-lab.ts';

export interface SharedLabOptions {
  /** Arguments of the service. */
  readonly serve: readonly string[];
  readonly image?: ImageOptions;
  /** What all tests begin with: the last step of opening it. */
  readonly setUp?: (lab: BootLab) => Promise<void>;
  /** Milliseconds in which it opens; those of every hook unless given. */
  readonly openMs?: number;
  /** What somebody else said, for a failure. */
  readonly alsoSaid?: () => string;
}

/**
 * One laboratory for all tests of a `describe`: opened before them, closed after them; what everybody said is printed when
 * one fails. After it is closed come those of the file's `afterAll` that stand before this call.
 * @returns gives it to a test
 */
export function sharedLab(options: SharedLabOptions): () => BootLab {
  const { serve, image, setUp, openMs, alsoSaid } = options;
  let lab: BootLab | undefined;

  beforeAll(async () => {
    lab = await BootLab.open(serve, image);
    await setUp?.(lab);
  }, openMs);

  beforeEach(() => {
    onTestFailed(() => console.error(lab?.report(), alsoSaid?.() ?? ''));
  });

  afterAll(async () => {
    await lab?.close();
  }, 60_000);

  return () => {
    if (lab === undefined) throw new Error('the laboratory did not open');
    return lab;
  };
}
