/** Rootcast's shared image where it is a version that stands alone, and where it stands on 29 others. */
import { join } from 'node:path';
import type { ChainConfig } from './chain-process.ts';
import { rootcastVersion } from './rootcast.ts';
import { startProcess } from './stack.ts';
import type { Target } from './target.ts';

const chainOf = (depth: number, title: string): Target => ({
  id: `rootcast-chain-${depth}`,
  title,
  accesses: ['image'],
  missing: undefined,
  version: rootcastVersion,
  start: ({ image, scratch }) => {
    const config: ChainConfig = { image, depth, folder: join(scratch, 'layers') };
    return startProcess('chain-process.ts', config, () => 'chain');
  },
});

export const rootcastChain1 = chainOf(1, 'Rootcast, 1 layer');
export const rootcastChain30 = chainOf(30, 'Rootcast, 30 layers');
