/** vDisks whose layers lie in a repository: machines with overlays, a second version, and the end of it all. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connectNbd } from '../../../src/nbd/index.ts';
import { diskOf, type VdiskAnswer, writeVersion } from '../../support/moving-images.ts';
import { imageBlock, patternBlock, writePatternImage } from '../../support/pattern-image.ts';
import { type Bench, MIB } from './bench.ts';
import type { Kind } from './places.ts';
import { consoleOf } from './volumes.ts';

const SIZE = 12 * MIB;
const BLOCK = 4096;
const KINDS_OF_VDISKS: readonly Kind[] = ['btrfs', 'nfs', 'iscsi', 'tgt', 'ceph'];

export function vdiskTests(bench: () => Bench): void {
  const { json, refused } = consoleOf(bench);

  function expected(changed: ReadonlyMap<number, Buffer>): Buffer {
    return Buffer.concat(
      Array.from({ length: SIZE / BLOCK }, (_, at) => changed.get(at) ?? imageBlock(at)),
    );
  }

  describe.each(KINDS_OF_VDISKS)('a vDisk on %s', (kind) => {
    const vdisk = `image-${kind}`;
    const mac = (last: number): string =>
      `52:54:00:00:${(KINDS_OF_VDISKS.indexOf(kind) + 16).toString(16)}:0${last}`;

    test('is imported, written by machines, gets a version, and is deleted', async () => {
      const { service } = bench().console;
      const path = join(service.data, `${vdisk}.img`);
      writePatternImage(path, SIZE);
      await json('vdisk', 'import', path, '--name', vdisk, '--repository', kind);
      expect((await diskOf(service, `vdisk/${vdisk}`)).equals(expected(new Map()))).toBe(true);
      for (const number of [1, 2]) {
        const options = ['--mac', mac(number), '--vdisk', vdisk, '--cache', 'server-persistent'];
        await json('machine', 'add', `${vdisk}-${number}`, ...options);
        const client = await connectNbd(service.uri(`machine/${vdisk}-${number}`));
        await client.write(patternBlock(7, number), 7 * BLOCK);
        await client.flush();
        if (number === 1) {
          expect(await refused('repository', 'detach', kind)).toContain('IN_USE');
        }
        await client.disconnect();
      }
      for (const number of [1, 2]) {
        const disk = await diskOf(service, `machine/${vdisk}-${number}`);
        expect(disk.equals(expected(new Map([[7, patternBlock(7, number)]])))).toBe(true);
      }

      const version = await writeVersion(service, vdisk, (client) =>
        client.write(patternBlock(700, 9), 700 * BLOCK),
      );
      const shown = await json<VdiskAnswer>('vdisk', 'show', vdisk);
      expect(shown.production).toBe(version);
      const second = expected(new Map([[700, patternBlock(700, 9)]]));
      expect((await diskOf(service, `vdisk/${vdisk}`)).equals(second)).toBe(true);
      await json('vdisk', 'verify', vdisk);

      for (const number of [1, 2]) await json('machine', 'delete', `${vdisk}-${number}`);
      const before = await volumesOf(kind);
      await json('vdisk', 'delete', vdisk);
      expect((await volumesOf(kind)).length).toBeLessThanOrEqual(before.length);
    });
  });

  function volumesOf(kind: Kind): Promise<readonly object[]> {
    return json<readonly object[]>('volume', 'list', kind);
  }
}
