/** Makes, grows, copies and deletes volumes of a folder until it is killed, and says what it does. Started by local-array.test.ts. */
import { writeSync } from 'node:fs';
import type { ArrayControl, ArrayRef } from '../../src/repositories/index.ts';
import { attachLocal, localConnection } from '../support/local-arrays.ts';
import { seededRandom } from '../support/seed.ts';

/** What is wished for, as a retry would say it again. */
export type Wish =
  | { readonly kind: 'create'; readonly tag: string; readonly size: number; readonly thin: boolean }
  | { readonly kind: 'grow'; readonly tag: string; readonly size: number }
  | { readonly kind: 'clone'; readonly tag: string; readonly full: boolean }
  | { readonly kind: 'snapshot' | 'delete' | 'delete-snapshot'; readonly tag: string };

export type Said = { readonly begin: Wish } | { readonly done: Wish };

/** The volume that clones and snapshots are made of. */
export const BASE_TAG = 'base';
const UNIT = 4096;

export async function fulfil(control: ArrayControl, wish: Wish): Promise<void> {
  const { tag } = wish;
  const opId = `${wish.kind}-${tag}`;
  const refOf = async (wanted: string): Promise<ArrayRef | undefined> =>
    (await control.findVolume({ tag: wanted }))?.ref;
  switch (wish.kind) {
    case 'create': {
      const { size, thin } = wish;
      await control.createVolume({ opId, tag, name: tag, size, thin });
      return;
    }
    case 'grow': {
      const ref = await refOf(tag);
      if (ref !== undefined) await control.resizeVolume({ opId, ref, size: wish.size });
      return;
    }
    case 'delete': {
      const ref = await refOf(tag);
      if (ref !== undefined) await control.deleteVolume({ opId, ref });
      return;
    }
    case 'snapshot': {
      const volume = await refOf(BASE_TAG);
      const of = volume === undefined ? [] : [{ volume, tag, name: tag }];
      await control.snapshots?.createSnapshots({ opId, of });
      return;
    }
    case 'delete-snapshot': {
      const found = await control.snapshots?.findSnapshot({ tag });
      if (found !== undefined) await control.snapshots?.deleteSnapshot({ opId, ref: found.ref });
      return;
    }
    case 'clone': {
      const source = await refOf(BASE_TAG);
      const kind = wish.full ? 'full' : 'linked';
      if (source !== undefined) await control.clones?.clone({ opId, tag, name: tag, source, kind });
    }
  }
}

async function work(path: string, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const { control } = await attachLocal(localConnection(path));
  const say = (said: Said): void => void writeSync(1, `${JSON.stringify(said)}\n`);
  const volumes: string[] = [];
  const snapshots: string[] = [];
  for (let n = 0; ; n += 1) {
    const wish = nextWish(`t${seed}-${n}`, random, volumes, snapshots, control);
    if (wish === undefined) continue;
    say({ begin: wish });
    await fulfil(control, wish);
    say({ done: wish });
  }
}

function nextWish(
  tag: string,
  random: () => number,
  volumes: string[],
  snapshots: string[],
  control: ArrayControl,
): Wish | undefined {
  const take = (from: string[]): string | undefined =>
    from.splice(Math.floor(random() * from.length), 1)[0];
  const chance = random();
  const size = (1 + Math.floor(random() * 64)) * UNIT;
  if (chance < 0.3 || volumes.length === 0) {
    volumes.push(tag);
    return { kind: 'create', tag, size, thin: random() < 0.7 };
  }
  if (chance < 0.4) {
    const grown = volumes[Math.floor(random() * volumes.length)];
    // Larger than anything that was made, copies of the base among them, and each time more.
    if (grown === undefined) return undefined;
    return { kind: 'grow', tag: grown, size: (3000 + Number(tag.split('-')[1])) * UNIT };
  }
  if (chance < 0.6 && control.snapshots !== undefined) {
    snapshots.push(tag);
    return { kind: 'snapshot', tag };
  }
  if (chance < 0.75 && control.clones !== undefined) {
    volumes.push(tag);
    return { kind: 'clone', tag, full: random() < 0.5 };
  }
  if (chance < 0.85) {
    const gone = take(snapshots);
    return gone === undefined ? undefined : { kind: 'delete-snapshot', tag: gone };
  }
  const gone = take(volumes);
  return gone === undefined ? undefined : { kind: 'delete', tag: gone };
}

const [, script, path, seed] = process.argv;
if (script?.endsWith('local-array-process.ts') && path !== undefined)
  await work(path, Number(seed));
