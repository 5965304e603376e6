import { describe, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import { BlockError } from '../../../src/errors/index.ts';
import { type ArrayBench, newTag, opId, outcome, pattern, readAll, scribble } from './bench.ts';

/** What a shell, a path, a command line or another name on the array could be made of. */
const BAD_NAMES = [
  '',
  '.',
  '..',
  '../x',
  'a/b',
  '/a',
  '-x',
  'a b',
  'a\nb',
  'a\0b',
  'a@b',
  'a;b',
  "a'b",
  'a"b',
  '$(x)',
  '*',
  'ä',
];

export function testVolumes(bench: ArrayBench): void {
  describe('volumes', () => {
    test('are made, found by ref and by tag, opened, and deleted', async () => {
      const tag = newTag();
      const name = bench.name();
      const volume = await bench.create({ tag, name });
      expect(volume).toMatchObject({ tag, size: bench.size, thin: bench.thin });
      expect(volume.ref.kind).toBe('volume');
      expect(volume.ref.nativeId).not.toBe('');
      expect(await bench.control.findVolume({ ref: volume.ref })).toEqual(volume);
      expect(await bench.control.findVolume({ tag })).toEqual(volume);
      const content = Buffer.alloc(volume.size);
      await bench.use(volume, async (device) => {
        expect(device.geometry.size).toBe(volume.size);
        expect(device.capabilities.write).toBe(true);
        await scribble(device, content, 1);
        await device.flush();
      });
      await bench.expectContent(volume, content, 'what was written');
      await bench.delete(volume);
      expect(await bench.control.findVolume({ ref: volume.ref })).toBeUndefined();
      expect(await bench.control.findVolume({ tag })).toBeUndefined();
    });

    test('have locators that survive JSON and structured cloning', async () => {
      const { locator } = await bench.create();
      expect(JSON.parse(JSON.stringify(locator))).toEqual(locator);
      expect(structuredClone(locator)).toEqual(locator);
      expect(locator.repository).toBeTypeOf('string');
    });

    test('opened for reading cannot be written', async () => {
      const volume = await bench.create();
      const { device, detach } = await bench.open(volume, false);
      expect(device.capabilities.write).toBe(false);
      const { minimumIo } = device.geometry;
      const write = async (): Promise<void> => device.write(pattern(minimumIo, 1), 0, PLAIN);
      await expect(write()).rejects.toBeInstanceOf(BlockError);
      await detach();
    });

    test('read as zeroes at first, also in the space of one that was deleted', async () => {
      const zeroes = Buffer.alloc(bench.size);
      for (let round = 0; round < 3; round += 1) {
        const volume = await bench.create();
        await bench.expectContent(volume, zeroes, `fresh volume ${round}`);
        await bench.use(volume, async (device) => {
          const step = Math.min(device.geometry.maximumIo, 256 * 1024);
          for (let at = 0; at < volume.size; at += step) {
            await device.write(pattern(Math.min(step, volume.size - at), round), at, PLAIN);
          }
          await device.flush();
        });
        await bench.delete(volume);
      }
    });

    test('thin and thick are what is asked for, where the array has both', async () => {
      if (!bench.can('thin') || !bench.can('thick')) return;
      for (const thin of [true, false]) {
        const wanted = { opId: opId(), tag: newTag(), name: bench.name(), size: bench.size, thin };
        const volume = await bench.control.createVolume(wanted);
        expect(volume.thin).toBe(thin);
        if (volume.allocated !== undefined && !thin) {
          expect(volume.allocated).toBeGreaterThanOrEqual(volume.size);
        }
        await bench.expectContent(volume, Buffer.alloc(volume.size), `thin ${thin}`);
        expect(await outcome(bench.control.createVolume({ ...wanted, thin: !thin }))).toBe(
          'ALREADY_EXISTS_DIFFERENT',
        );
        if (bench.can('resizeOnline')) {
          const wish = { opId: opId(), ref: volume.ref, size: volume.size * 2 };
          const grown = await bench.control.resizeVolume(wish);
          expect(grown.thin).toBe(thin);
          if (grown.allocated !== undefined && !thin) {
            expect(grown.allocated).toBeGreaterThanOrEqual(grown.size);
          }
        }
      }
    });

    test('may be deleted twice, one after the other and at the same time', async () => {
      const volume = await bench.create();
      const request = { opId: opId(), ref: volume.ref };
      await bench.control.deleteVolume(request);
      await bench.control.deleteVolume(request);
      await bench.control.deleteVolume({ opId: opId(), ref: volume.ref });
      const other = await bench.create();
      await Promise.all([bench.delete(other), bench.delete(other)]);
      expect(await bench.listAll(true)).toEqual([]);
    });

    test('that are open when they are deleted stay, or stay with whoever has them', async () => {
      const { volume, content } = await bench.createFilled(3);
      const { device, detach } = await bench.open(volume, true);
      const code = await outcome(bench.delete(volume));
      if (code === 'done') {
        // Whoever has it open has its bytes or an error, and never those of the next volume.
        const next = await bench.createFilled(9);
        const seen = await readAll(device).catch((error: unknown) => error);
        if (seen instanceof Buffer) expect(seen.equals(content)).toBe(true);
        else expect(seen).toBeInstanceOf(BlockError);
        await bench.expectContent(next.volume, next.content, 'the next volume');
        await detach().catch(() => undefined);
        return;
      }
      expect(code).toBe('IN_USE');
      await detach();
      await bench.expectContent(volume, content, 'after a delete that was refused');
    });

    test('take every name up to the longest, and refuse what cannot be one', async () => {
      const { nameLength } = bench.control.info.limits;
      const longest = await bench.create({ name: 'n'.repeat(nameLength) });
      expect(await bench.control.findVolume({ ref: longest.ref })).toEqual(longest);
      expect(await outcome(bench.create({ name: 'n'.repeat(nameLength + 1) }))).toBe(
        'INVALID_ARGUMENT',
      );
      await bench.create({ name: 'A-z.0_9' });
      const before = await bench.listAll(false);
      for (const name of BAD_NAMES) {
        const code = await outcome(bench.create({ name }));
        expect(code, JSON.stringify(name)).toBe('INVALID_ARGUMENT');
      }
      expect(await bench.listAll(false)).toEqual(before);
    });

    test('are listed once each, page by page, and only ours where that is asked', async () => {
      const made = [];
      for (let n = 0; n < 7; n += 1) made.push(await bench.create());
      const ids = made.map(({ ref }) => ref.nativeId).sort();
      const listed = await bench.listAll(true);
      expect(listed.map(({ ref }) => ref.nativeId).sort()).toEqual(ids);
      for (const volume of made) expect(listed).toContainEqual(volume);
      const all = (await bench.listAll(false)).map(({ ref }) => ref.nativeId);
      expect(all).toEqual(expect.arrayContaining(ids));
      expect(new Set(all).size).toBe(all.length);
      const lost = bench.control.listVolumes({ ownedOnly: true, cursor: 'nobody gave this' });
      expect(await outcome(lost)).toBe('CURSOR_EXPIRED');
    });
  });
}
