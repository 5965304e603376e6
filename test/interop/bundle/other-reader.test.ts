/** A bundle read by a program that shares no line with ours: the one in docs/BUNDLE.md, and zstd. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, program } from '../../support/requires.ts';
import { run, succeed } from '../../support/run-program.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { chunks, collect, MemoryServer, sourceOf } from '../../unit/vdisk/bundle/memory-server.ts';
import type { MemoryVersion } from '../../unit/vdisk/bundle/memory-version.ts';

const PAGE = new URL('../../../docs/BUNDLE.md', import.meta.url);

describeWith(
  [program('python3', 'python3'), program('zstd', 'zstd'), program('qemu-img', 'qemu-utils')],
  'the program in docs/BUNDLE.md',
  () => {
    let folder: Awaited<ReturnType<typeof temporaryFolder>>;
    let server: MemoryServer;
    let versions: MemoryVersion[];
    const path = (name: string): string => join(folder.path, name);
    beforeAll(async () => {
      folder = await temporaryFolder('other-reader');
      server = await MemoryServer.create();
      const [, reader] = /```python\n(.*?)```/s.exec(await readFile(PAGE, 'utf8')) ?? [];
      await writeFile(path('restore.py'), reader ?? '');
      const one = await server.make(chunks(20, 512), undefined, [
        [0, 1],
        [1, 2],
        [5, 3],
        [19, 2],
      ]);
      const two = await server.make(one.size, one, [
        [1, 0],
        [2, 2],
        [5, 6],
      ]);
      versions = [one, two, await server.make(chunks(4), two, [[3, 1]])];
    });
    afterAll(async () => {
      await server.close();
      await folder.remove();
    });

    const restore = (bundle: string, version: number, image: string) =>
      run('python3', [path('restore.py'), path(bundle), String(version), path(image)]);

    it('writes every version as the image that it is', async () => {
      await writeFile(path('all'), await collect(server.write(sourceOf(versions))));
      for (const [index, version] of versions.entries()) {
        const restored = await restore('all', index + 1, 'restored.raw');
        expect(restored.stderr).toBe('');
        expect(restored.stdout).toContain(`debian version ${index + 1}: 3 versions, 0 boot files`);
        const disk = Buffer.alloc(version.size);
        await version.open().read(disk, 0);
        await writeFile(path('wanted.raw'), disk);
        expect((await stat(path('restored.raw'))).size).toBe(version.size);
        const images = [path('restored.raw'), path('wanted.raw')];
        await succeed('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', ...images]);
      }
    });

    it('finds a bundle that is damaged or cut off', async () => {
      const bundle = await collect(server.write(sourceOf(versions.slice(0, 2))));
      const damaged = Buffer.from(bundle);
      const place = Math.floor(bundle.length / 2);
      damaged.writeUInt8(damaged.readUInt8(place) ^ 1, place);
      await writeFile(path('damaged'), damaged);
      await writeFile(path('short'), bundle.subarray(0, -1));
      expect((await restore('damaged', 1, 'restored.raw')).stderr).toContain('damaged at byte');
      expect((await restore('short', 1, 'restored.raw')).stderr).toContain('cut off');
    });

    it('says so when the receiver was said to have something', async () => {
      const known = await server.inventory(versions.slice(0, 1));
      const lacks = (hash: Buffer): boolean => known.has(hash) === false;
      await writeFile(path('part'), await collect(server.write(sourceOf(versions), { lacks })));
      await known.close();
      const restored = await restore('part', 2, 'restored.raw');
      expect([restored.code, restored.stderr]).toEqual([
        1,
        '3 chunks were not sent: the receiver was said to have them\n',
      ]);
    });
  },
);
