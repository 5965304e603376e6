/** Answers that never come, calls that fail, calls that are given up: nothing is made twice, or left half done. */
import { describe, expect, test } from 'vitest';
import { type ArrayBench, newTag, opId, outcome, present, scribble } from './bench.ts';

export function testFaults(bench: ArrayBench): void {
  /** Runs a call whose answer is lost; and again, as the service does: that one must find what was done. */
  const twice = async <T>(call: () => Promise<T>): Promise<T | undefined> => {
    const { faults } = bench.subject;
    if (faults === undefined) return undefined;
    await faults.loseNextAnswer();
    expect(await outcome(call())).toBe('UNKNOWN_OUTCOME');
    return call();
  };

  describe('an answer that is lost', () => {
    test('to making a volume: there is one', async () => {
      const name = bench.name();
      const wanted = { opId: opId(), tag: newTag(), name, size: bench.size, thin: bench.thin };
      const volume = await twice(() => bench.control.createVolume(wanted));
      if (volume === undefined) return;
      expect(await bench.listAll(false)).toEqual([volume]);
      await bench.expectContent(volume, Buffer.alloc(volume.size), 'a volume made twice');
    });

    test('to deleting a volume: it is gone', async () => {
      if (bench.subject.faults === undefined) return;
      const volume = await bench.create();
      await twice(() => bench.delete(volume));
      expect(await bench.listAll(true)).toEqual([]);
    });

    test('to growing: it has grown once', async () => {
      if (bench.subject.faults === undefined || !bench.can('resizeOnline')) return;
      const { ref } = await bench.create();
      const request = { opId: opId(), ref, size: bench.size * 2 };
      const grown = await twice(() => bench.control.resizeVolume(request));
      expect(grown?.size).toBe(bench.rounded(bench.size * 2));
    });

    test('to a snapshot: there is one', async () => {
      if (bench.subject.faults === undefined || !bench.can('snapshot')) return;
      const { volume, content } = await bench.createFilled(1);
      const of = [{ volume: volume.ref, tag: newTag(), name: bench.name() }];
      const request = { opId: opId(), of };
      const made = await twice(() => bench.snapshots.createSnapshots(request));
      expect((await bench.listSnapshots()).map(({ ref }) => ref)).toEqual([made?.[0]?.ref]);
      await bench.expectContent(present(made?.[0], 'a snapshot'), content, 'made twice');
      await twice(() => bench.delete(present(made?.[0], 'a snapshot')));
      expect(await bench.listSnapshots()).toEqual([]);
    });

    test('to a clone: there is one', async () => {
      if (bench.subject.faults === undefined || !bench.can('snapshot')) return;
      const { volume, content } = await bench.createFilled(1);
      const snapshot = await bench.snapshot(volume);
      for (const kind of ['linked', 'full'] as const) {
        if (!bench.can(kind === 'linked' ? 'cloneLinked' : 'cloneFull')) continue;
        const tag = newTag();
        const clone = await twice(() => bench.clone(snapshot.ref, kind, { tag }));
        const tagged = (await bench.listAll(true)).filter((each) => each.tag === tag);
        expect(tagged).toEqual([clone]);
        await bench.expectContent(present(clone, 'a clone'), content, 'a clone made twice');
      }
    });

    test('to mapping and unmapping: there is one, and none', async () => {
      const { faults, host } = bench.subject;
      const { masking } = bench.control;
      if (faults === undefined || masking === undefined || host === undefined) return;
      const { ref } = await bench.create();
      await twice(() => masking.map({ opId: opId(), volume: ref, host, mode: 'rw' }));
      expect(await masking.listMappings({ volume: ref })).toHaveLength(1);
      await twice(() => masking.unmap({ opId: opId(), volume: ref }));
      expect(await masking.listMappings({ volume: ref })).toEqual([]);
    });
  });

  describe('a call that fails', () => {
    test('says so, has done nothing, and works when it is tried again', async () => {
      const fail = bench.subject.faults?.failNext;
      if (fail === undefined) return;
      for (const code of ['BUSY', 'NO_SPACE', 'AUTH_FAILED', 'UNREACHABLE'] as const) {
        const tag = newTag();
        await fail(code);
        expect(await outcome(bench.create({ tag }))).toBe(code);
        expect(await bench.control.findVolume({ tag })).toBeUndefined();
        const volume = await bench.create({ tag });
        await fail(code);
        expect(await outcome(bench.delete(volume))).toBe(code);
        expect(await bench.control.findVolume({ tag })).toEqual(volume);
        await bench.delete(volume);
      }
      expect(await bench.listAll(false)).toEqual([]);
    });
  });

  describe('a call that is given up', () => {
    const aborted = (): AbortSignal => AbortSignal.abort();

    test('before it began does nothing', async () => {
      const tag = newTag();
      const wanted = { opId: opId(), tag, name: bench.name(), size: bench.size, thin: bench.thin };
      const made = bench.control.createVolume(wanted, { signal: aborted() });
      expect(await outcome(made)).toBe('CANCELLED');
      expect(await bench.listAll(false)).toEqual([]);
      const volume = await bench.control.createVolume(wanted);
      const deleted = bench.control.deleteVolume(
        { opId: opId(), ref: volume.ref },
        { signal: aborted() },
      );
      expect(await outcome(deleted)).toBe('CANCELLED');
      expect(await bench.control.findVolume({ tag })).toEqual(volume);
    });

    test('half-way leaves all of it or nothing', async () => {
      if (!bench.can('cloneFull') || !(bench.can('snapshot') || bench.can('cloneFromVolume')))
        return;
      const volume = await bench.create({ size: bench.size * 4 });
      const content = Buffer.alloc(volume.size);
      await bench.use(volume, (device) => scribble(device, content, 1));
      const source = bench.can('snapshot') ? await bench.snapshot(volume) : volume;
      const tag = newTag();
      const request = { opId: opId(), tag, name: bench.name(), source: source.ref };
      const wanted = { ...request, kind: 'full' as const };
      const giveUp = new AbortController();
      const fractions: number[] = [];
      const clone = bench.clones.clone(wanted, {
        signal: giveUp.signal,
        progress: (fraction) => {
          fractions.push(fraction);
          giveUp.abort();
        },
      });
      setImmediate(() => giveUp.abort());
      const code = await outcome(clone);
      for (const fraction of fractions) {
        expect(fraction >= 0 && fraction <= 1, String(fraction)).toBe(true);
      }
      const found = await bench.control.findVolume({ tag });
      if (code === 'CANCELLED') {
        expect(found).toBeUndefined();
        expect(await bench.listAll(false)).toHaveLength(1);
      } else {
        expect(code).toBe('done');
        await bench.expectContent(
          present(found, 'the clone'),
          content,
          'a clone that was finished',
        );
      }
      const finished = await bench.clones.clone(wanted);
      await bench.expectContent(finished, content, 'the clone, tried again');
    });
  });
}
