/** Which object is meant: tags, retries, names that come again, adopting and releasing. */
import { describe, expect, test } from 'vitest';
import type { CreateVolume } from '../../../src/repositories/index.ts';
import { type ArrayBench, newTag, opId, outcome, present } from './bench.ts';

export function testIdentity(bench: ArrayBench): void {
  const wanted = (): CreateVolume => ({
    opId: opId(),
    tag: newTag(),
    name: bench.name(),
    size: bench.size,
    thin: bench.thin,
  });

  describe('which volume is meant', () => {
    test('the same tag again is the same volume, whatever else is new', async () => {
      const request = wanted();
      const volume = await bench.control.createVolume(request);
      expect(await bench.control.createVolume(request)).toEqual(volume);
      expect(await bench.control.createVolume({ ...request, opId: opId() })).toEqual(volume);
      const renamed = { ...request, opId: opId(), name: bench.name() };
      expect((await bench.control.createVolume(renamed)).ref).toEqual(volume.ref);
      expect(await bench.listAll(true)).toHaveLength(1);
    });

    test('the same tag with another size is refused, and the volume stays as it is', async () => {
      const { volume, content } = await bench.createFilled(4);
      const tag = present(volume.tag, 'a tag');
      const { sizeGranularity } = bench.control.info.limits;
      const other = { ...wanted(), tag, size: volume.size + sizeGranularity };
      expect(await outcome(bench.control.createVolume(other))).toBe('ALREADY_EXISTS_DIFFERENT');
      await bench.expectContent(volume, content, 'after a create that was refused');
      expect(await bench.listAll(true)).toEqual([await bench.again(volume)]);
    });

    test('made at the same time with one tag it is one', async () => {
      const request = wanted();
      const made = await Promise.all([
        bench.control.createVolume(request),
        bench.control.createVolume(request),
        bench.control.createVolume({ ...request, opId: opId() }),
      ]);
      expect(new Set(made.map(({ ref }) => ref.nativeId)).size).toBe(1);
      expect(await bench.listAll(true)).toHaveLength(1);
    });

    test('made at the same time with different tags they are different', async () => {
      const made = await Promise.all(Array.from({ length: 5 }, () => bench.create()));
      expect(new Set(made.map(({ ref }) => ref.nativeId)).size).toBe(5);
      expect(await bench.listAll(true)).toHaveLength(5);
    });

    test('the same name with another tag is never taken for it', async () => {
      const { volume, content } = await bench.createFilled(5);
      const code = await outcome(bench.create({ name: volume.ref.name }));
      expect(['done', 'ALREADY_EXISTS_DIFFERENT']).toContain(code);
      const ids = (await bench.listAll(true)).map(({ ref }) => ref.nativeId);
      expect(new Set(ids).size).toBe(code === 'done' ? 2 : 1);
      await bench.expectContent(volume, content, 'the one that had the name first');
    });

    test('one that has the name of a deleted one is another', async () => {
      const name = bench.name();
      const first = await bench.create({ name });
      await bench.delete(first);
      const second = await bench.create({ name });
      expect(second.ref).not.toEqual(first.ref);
      expect(await bench.control.findVolume({ ref: first.ref })).toBeUndefined();
      expect(await bench.control.findVolume({ tag: present(first.tag, 'a tag') })).toBeUndefined();
      await bench.delete(first); // a late retry must not take the new one along
      expect(await bench.control.findVolume({ ref: second.ref })).toEqual(second);
      const grown = { opId: opId(), ref: first.ref, size: bench.size * 2 };
      if (bench.can('resizeOnline') || bench.can('resizeOffline')) {
        expect(await outcome(bench.control.resizeVolume(grown))).toBe('NOT_FOUND');
      }
      expect(await bench.control.findVolume({ ref: second.ref })).toEqual(second);
    });

    test('a handle to a deleted volume never opens the one that has its name now', async () => {
      const name = bench.name();
      const first = await bench.create({ name });
      await bench.delete(first);
      await bench.create({ name });
      const opened = bench.attachment.data.open(first.locator, { write: false });
      await expect(opened).rejects.toMatchObject({ name: 'BlockError', operation: 'open' });
    });

    test('everything is found by its tag after the service was started again', async () => {
      const { volume, content } = await bench.createFilled(6);
      const tag = present(volume.tag, 'a tag');
      const snapshot = bench.can('snapshot') ? await bench.snapshot(volume) : undefined;
      const before = await bench.again(volume);
      await bench.reattach();
      expect(await bench.control.findVolume({ tag })).toEqual(before);
      await bench.expectContent(volume, content, 'volume after attaching again');
      if (snapshot?.tag !== undefined) {
        expect(await bench.snapshots.findSnapshot({ tag: snapshot.tag })).toEqual(snapshot);
        await bench.expectContent(snapshot, content, 'snapshot after attaching again');
      }
    });
  });

  describe('adopting', () => {
    test('a released volume stays, is nobody’s, and can be adopted by one', async () => {
      if (!bench.can('adopt')) return;
      const { volume, content } = await bench.createFilled(7);
      const tag = present(volume.tag, 'a tag');
      await bench.control.releaseVolume({ opId: opId(), ref: volume.ref });
      await bench.control.releaseVolume({ opId: opId(), ref: volume.ref });
      expect(await bench.control.findVolume({ tag })).toBeUndefined();
      expect(await bench.listAll(true)).toEqual([]);
      const released = await bench.control.findVolume({ ref: volume.ref });
      expect(released).toMatchObject({ size: volume.size, tag: undefined });
      expect(await bench.listAll(false)).toContainEqual(released);

      const adopted = newTag();
      const request = { opId: opId(), ref: volume.ref, tag: adopted };
      const ours = await bench.control.adoptVolume(request);
      expect(ours.tag).toBe(adopted);
      expect(await bench.control.adoptVolume(request)).toEqual(ours);
      expect(await outcome(bench.control.adoptVolume({ ...request, tag: newTag() }))).toBe(
        'ALREADY_MANAGED',
      );
      await bench.expectContent(ours, content, 'an adopted volume');
      expect(await bench.listAll(true)).toEqual([ours]);
    });

    test('a volume that somebody else made is shown, and ours once it is adopted', async () => {
      const { foreign } = bench.subject;
      if (foreign === undefined) return;
      const ref = await foreign(bench.name(), bench.size);
      expect(await bench.listAll(true)).toEqual([]);
      const shown = (await bench.listAll(false)).find((each) => each.ref.nativeId === ref.nativeId);
      expect(shown).toMatchObject({ tag: undefined, size: bench.size });
      const adopted = await bench.control.adoptVolume({ opId: opId(), ref, tag: newTag() });
      expect(await bench.listAll(true)).toEqual([adopted]);
      await bench.expectContent(adopted, Buffer.alloc(adopted.size), 'an adopted volume');
      const missing = { ...ref, nativeId: 'no-such-id', name: bench.name() };
      const failed = bench.control.adoptVolume({ opId: opId(), ref: missing, tag: newTag() });
      expect(await outcome(failed)).toBe('NOT_FOUND');
    });
  });
}
