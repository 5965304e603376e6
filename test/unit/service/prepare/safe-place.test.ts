/** What is looked at before a copy takes the place of an image, and what is made good after a crash. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  leftFolder,
  putBack,
  removeLeftovers,
  workFolder,
} from '../../../../src/service/prepare/leftovers.ts';
import { mountsIn } from '../../../../src/service/prepare/mounts.ts';
import { qcow2Notes } from '../../../../src/service/prepare/qcow2-facts.ts';
import { describeWith, root } from '../../../support/requires.ts';

describe('mounts in a folder', () => {
  const INFO = [
    '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '23 22 0:5 / /srv/tree/proc rw - proc proc rw',
    '24 22 0:6 / /srv/tree2 rw - tmpfs tmpfs rw',
    '25 22 0:7 / /srv/a\\040b/dev rw - tmpfs tmpfs rw',
    '',
  ].join('\n');

  test('are found, and those beside it are not', () => {
    expect(mountsIn('/srv/tree', INFO)).toEqual(['/srv/tree/proc']);
    expect(mountsIn('/srv/tree2', INFO)).toEqual(['/srv/tree2']);
    expect(mountsIn('/srv/a b', INFO)).toEqual(['/srv/a b/dev']);
    expect(mountsIn('/srv/other', INFO)).toEqual([]);
  });
});

describe('a qcow2 file', () => {
  test('with snapshots inside is refused: another file in its place has none', () => {
    const json = JSON.stringify({ snapshots: [{ id: '1' }, { id: '2' }] });
    expect(() => qcow2Notes('/a.qcow2', json)).toThrow(
      expect.objectContaining({
        code: 'IMAGE_UNSUPPORTED',
        message: expect.stringContaining('it has 2 snapshots inside, which would be lost'),
      }),
    );
  });

  test('over another is said to stand alone', () => {
    expect(qcow2Notes('/a', '{"backing-filename":"base.img"}')).toEqual([
      'it stands alone now: base.img is no longer below it',
    ]);
    expect(qcow2Notes('/a', '{}')).toEqual([]);
  });
});

describe('after a crash', () => {
  /** A process that has ended. */
  const gone = spawnSync('true').pid;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rootcast-leftovers-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const names = async (): Promise<string[]> => (await readdir(folder)).sort();
  const made = async (name: string): Promise<void> => {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'file'), name);
  };

  describeWith([root()], 'half copies', () => {
    test('go, but nobody else’s and none that is being made', async () => {
      const alive = `.rootcast-prepare-${process.ppid}`;
      for (const name of [`.rootcast-prepare-${gone}`, alive, '.rootcast-prepare-x', 'image']) {
        await made(name);
      }
      await writeFile(join(folder, '.rootcast-prepare-99999999'), 'a file');
      await removeLeftovers(folder);
      expect(await names()).toEqual(
        [alive, '.rootcast-prepare-99999999', '.rootcast-prepare-x', 'image'].sort(),
      );
    });
  });

  test('a folder that was moved aside gets its name back, when nobody has it', async () => {
    const path = join(folder, 'tree');
    await made(`tree.before-rootcast-prepare-${gone}`);
    await putBack(path);
    expect(await names()).toEqual(['tree']);
    await made(`tree.before-rootcast-prepare-${gone}`);
    await putBack(path);
    expect(await names()).toEqual(['tree', `tree.before-rootcast-prepare-${gone}`]);
  });

  test('of two that have been moved aside none is taken', async () => {
    await made(`tree.before-rootcast-prepare-${gone}`);
    await made('tree.before-rootcast-prepare-99999999');
    await putBack(join(folder, 'tree'));
    expect(await names()).not.toContain('tree');
  });

  test('what is made now has names that are recognised then', () => {
    expect(workFolder('/images/a.img')).toBe(`/images/.rootcast-prepare-${process.pid}`);
    expect(leftFolder('/images/tree')).toBe(`/images/tree.before-rootcast-prepare-${process.pid}`);
  });
});
