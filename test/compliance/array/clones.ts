import { describe, expect, test } from 'vitest';
import type { ArrayRef, ArrayVolume } from '../../../src/repositories/index.ts';
import {
  type ArrayBench,
  expectRefs,
  failure,
  newTag,
  opId,
  outcome,
  present,
  type Readable,
  scribble,
} from './bench.ts';

type Kind = 'linked' | 'full';

export function testClones(bench: ArrayBench): void {
  const kinds = (): Kind[] =>
    (['linked', 'full'] as const).filter((kind) =>
      bench.can(kind === 'linked' ? 'cloneLinked' : 'cloneFull'),
    );

  /** What can be cloned here: a snapshot where there are any, the volume where that is possible. */
  const sources = async (): Promise<
    { source: Readable; volume: ArrayVolume; content: Buffer }[]
  > => {
    const found = [];
    if (bench.can('snapshot')) {
      const { volume, content } = await bench.createFilled(1);
      found.push({ source: await bench.snapshot(volume), volume, content });
    }
    if (bench.can('cloneFromVolume')) {
      const { volume, content } = await bench.createFilled(2);
      found.push({ source: volume, volume, content });
    }
    return found;
  };

  /** Deletes it, or shows that nothing was deleted. */
  const deleteOrNamed = async (thing: Readable, content: Buffer, dependent: ArrayRef) => {
    const error = await failure(bench.delete(thing));
    if (error === undefined) return;
    expect(error.code).toBe('HAS_DEPENDENTS');
    expectRefs(error, [dependent]);
    await bench.expectContent(thing, content, 'what could not be deleted');
  };

  describe('clones', () => {
    test('start as their source, and then each goes its own way', async () => {
      for (const kind of kinds()) {
        for (const { source, volume, content } of await sources()) {
          const clone = await bench.clone(source.ref, kind);
          expect(clone.ref.kind).toBe('volume');
          expect(clone.size).toBe(source.size);
          expect(clone.ref.nativeId).not.toBe(volume.ref.nativeId);
          if (kind === 'full') expect(clone.parent).toBeUndefined();
          const theirs = Buffer.from(content);
          await bench.expectContent(clone, content, `${kind} clone`);
          await bench.use(clone, (device) => scribble(device, theirs, 11));
          await bench.expectContent(source, content, `source of a ${kind} clone that was written`);
          const ours = Buffer.from(content);
          await bench.use(volume, (device) => scribble(device, ours, 12));
          await bench.expectContent(clone, theirs, `${kind} clone of a volume that was written`);
          if (source.ref.kind === 'snapshot') {
            await bench.expectContent(source, content, 'the snapshot between them');
          }
        }
      }
    });

    test('of what is not there, or of what they cannot come from, are refused', async () => {
      for (const kind of kinds()) {
        const volume = await bench.create();
        if (!bench.can('cloneFromVolume')) {
          expect(await outcome(bench.clone(volume.ref, kind))).toBe('UNSUPPORTED');
        }
        await bench.delete(volume);
        const expected = bench.can('cloneFromVolume')
          ? ['NOT_FOUND']
          : ['NOT_FOUND', 'UNSUPPORTED'];
        expect(expected).toContain(await outcome(bench.clone(volume.ref, kind)));
        expect(await bench.listAll(true)).toEqual([]);
      }
    });

    test('with the same tag are the same, also at the same time', async () => {
      for (const kind of kinds()) {
        for (const { source } of await sources()) {
          const tag = newTag();
          const made = await Promise.all([
            bench.clone(source.ref, kind, { tag }),
            bench.clone(source.ref, kind, { tag }),
          ]);
          made.push(await bench.clone(source.ref, kind, { tag }));
          expect(new Set(made.map(({ ref }) => ref.nativeId)).size).toBe(1);
          const tagged = (await bench.listAll(true)).filter((each) => each.tag === tag);
          expect(tagged).toHaveLength(1);
        }
      }
    });

    test('may be larger than their source, and read as zeroes there; never smaller', async () => {
      for (const kind of kinds()) {
        for (const { source, content } of await sources()) {
          const clone = await bench.clone(source.ref, kind, { size: content.length * 2 });
          expect(clone.size).toBe(bench.rounded(content.length * 2));
          const larger = Buffer.concat([content, Buffer.alloc(clone.size - content.length)]);
          await bench.expectContent(clone, larger, `a larger ${kind} clone`);
          const { sizeGranularity } = bench.control.info.limits;
          const size = content.length - sizeGranularity;
          const smaller = await outcome(bench.clone(source.ref, kind, { size }));
          expect(['SHRINK_REFUSED', 'INVALID_ARGUMENT', 'OUT_OF_RANGE']).toContain(smaller);
        }
      }
    });

    test('that are linked keep what they need, or their source can go', async () => {
      if (!bench.can('cloneLinked')) return;
      for (const { source, volume, content } of await sources()) {
        const clone = await bench.clone(source.ref, 'linked');
        await deleteOrNamed(source, content, clone.ref);
        await bench.expectContent(clone, content, 'the clone');
        if (source.ref.kind === 'snapshot') {
          const error = await failure(bench.delete(volume));
          if (error !== undefined) expect(error.code).toBe('HAS_DEPENDENTS');
          await bench.expectContent(clone, content, 'the clone of a deleted volume');
        }
        await bench.delete(clone);
        const left = await bench.control.findVolume({ ref: volume.ref });
        if (left !== undefined) await bench.expectContent(left, content, 'after the clone went');
      }
    });

    test('that are full let their source go at once', async () => {
      if (!bench.can('cloneFull')) return;
      for (const { source, volume, content } of await sources()) {
        const clone = await bench.clone(source.ref, 'full');
        if (source.ref.kind === 'snapshot') await bench.delete(source);
        await bench.delete(volume);
        await bench.expectContent(clone, content, 'a full clone that is all that is left');
      }
    });

    test('that are split depend on nothing any more; again changes nothing', async () => {
      if (!bench.can('split') || !bench.can('cloneLinked')) return;
      const split = present(bench.clones.split?.bind(bench.clones), 'split');
      for (const { source, volume, content } of await sources()) {
        const clone = await bench.clone(source.ref, 'linked');
        const theirs = Buffer.from(content);
        await bench.use(clone, (device) => scribble(device, theirs, 5));
        const alone = await split({ opId: opId(), ref: clone.ref });
        expect(alone).toMatchObject({ ref: clone.ref, tag: clone.tag, parent: undefined });
        expect((await split({ opId: opId(), ref: clone.ref })).ref).toEqual(clone.ref);
        if (source.ref.kind === 'snapshot') await bench.delete(source);
        await bench.delete(volume);
        await bench.expectContent(clone, theirs, 'a clone that was split');
      }
    });

    test('that are split can be reverted to what they were before', async () => {
      const able = ['split', 'cloneLinked', 'snapshot', 'revert', 'revertKeepsNewer'] as const;
      if (!able.every((flag) => bench.can(flag))) return;
      const split = present(bench.clones.split?.bind(bench.clones), 'split');
      const revert = present(bench.snapshots.revert?.bind(bench.snapshots), 'revert');
      for (const { source } of await sources()) {
        const clone = await bench.clone(source.ref, 'linked');
        const held = Buffer.from(await bench.content(clone));
        await bench.use(clone, (device) => scribble(device, held, 5));
        const before = await bench.snapshot(clone);
        await split({ opId: opId(), ref: clone.ref });
        await bench.expectContent(before, held, 'a snapshot of before a split');
        await bench.use(clone, (device) => scribble(device, Buffer.from(held), 6));
        await revert({ opId: opId(), volume: clone.ref, snapshot: before.ref });
        await bench.expectContent(clone, held, 'what was reverted across a split');
        if (!bench.can('changedBlocks')) continue;
        const diff = present(bench.snapshots.diff?.bind(bench.snapshots), 'diff');
        const after = await bench.snapshot(clone);
        const range = { offset: 0, length: clone.size, limit: 1000 };
        for (const { offset, length, kind } of await diff({
          from: undefined,
          to: after.ref,
          ...range,
        })) {
          if (kind === 'data') held.fill(0, offset, offset + length);
        }
        const blank = held.equals(Buffer.alloc(held.length));
        expect(blank, 'data of a snapshot that no difference names').toBe(true);
      }
    });

    test('as deep as the array takes them; deeper is DEPTH_LIMIT', async () => {
      if (!bench.can('cloneLinked') || !bench.can('snapshot')) return;
      const { cloneDepth } = bench.control.info.limits;
      const depth = Math.min(cloneDepth ?? 6, 20);
      let { volume, content } = await bench.createFilled(1);
      for (let level = 1; level <= depth; level += 1) {
        const snapshot = await bench.snapshot(volume);
        volume = await bench.clone(snapshot.ref, 'linked');
        content = Buffer.from(content);
        const held = content;
        await bench.use(volume, (device) => scribble(device, held, level));
        await bench.expectContent(volume, held, `level ${level}`);
      }
      const snapshot = await bench.snapshot(volume);
      await bench.expectContent(snapshot, content, 'the deepest snapshot');
      if (cloneDepth !== depth) return;
      expect(await outcome(bench.clone(snapshot.ref, 'linked'))).toBe('DEPTH_LIMIT');
    });
  });
}
