/** The way of this service to a volume is open as long as somebody has it open, and no longer. */
import { expect, it } from 'vitest';
import { OwnPaths } from '../../../../src/adapters/tgt/own-paths.ts';
import type { StoredVolume } from '../../../../src/adapters/tgt/volume-store.ts';
import { KeyedMutex } from '../../../../src/base/index.ts';
import { ArrayError } from '../../../../src/errors/index.ts';

const VOLUME: StoredVolume = {
  ...{ id: 'v', tag: 't', name: 'v', thin: true, size: 4096, tid: 1, iqn: 'iqn.2026-01.test:v' },
  mappings: [],
};

function rig() {
  const passing = new Map<string, { readonly write: boolean }>();
  const state = { failing: false, passing };
  const targets = {
    isPassing: (id: string) => passing.has(id),
    setPassing: (id: string, who: { readonly write: boolean } | undefined) => {
      if (who === undefined) passing.delete(id);
      else passing.set(id, who);
    },
    mend: async () => {
      if (state.failing) throw new ArrayError('UNREACHABLE', 'tgtd does not answer');
    },
  };
  const store = { get: () => VOLUME, fenced: [], passwords: async () => ({}) };
  const paths = new OwnPaths(store, targets, 'iqn.2026-01.test:here', new KeyedMutex());
  const ask = (what: 'open' | 'release', write: boolean) =>
    paths.answer({ ask: what, volume: 'v', write });
  return { state, ask };
}

it('an open that failed is not counted: the way closes with the last that has it open', async () => {
  const { state, ask } = rig();
  state.failing = true;
  await expect(ask('open', true)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  expect(state.passing.size).toBe(0);
  state.failing = false;
  await ask('open', false);
  expect(state.passing.get('v')).toMatchObject({ write: false });
  await ask('release', false);
  expect(state.passing.size).toBe(0);
});

it('one that failed beside others leaves them theirs', async () => {
  const { state, ask } = rig();
  await ask('open', false);
  state.failing = true;
  await expect(ask('open', true)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  expect(state.passing.get('v')).toMatchObject({ write: false });
});
