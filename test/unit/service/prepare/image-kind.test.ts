import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageKind, partitionsOf, placeFacts } from '../../../../src/service/prepare/image-kind.ts';
import { stageFiles } from '../../../../src/service/prepare/stage-files.ts';
import { describeWith, program } from '../../../support/requires.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder('image-kind');
});
afterAll(() => folder.remove());

async function file(name: string, head: string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, Buffer.from(head, 'latin1'));
  return path;
}

describe('what is to be prepared', () => {
  test('is a folder, or a file by its first bytes', async () => {
    await mkdir(join(folder.path, 'tree'));
    expect(await imageKind(join(folder.path, 'tree'))).toBe('folder');
    expect(await imageKind(await file('a', 'QFI\xfb\0\0\0\x03'))).toBe('qcow2');
    expect(await imageKind(await file('b', '\0'.repeat(512)))).toBe('raw');
    expect(await imageKind(await file('c', ''))).toBe('raw');
  });

  test.each([
    ['vhdxfile', 'VHDX'],
    ['conectix', 'VHD'],
    ['KDMV\x01\0\0\0', 'VMDK'],
  ])('is not a %j file', async (head, name) => {
    await expect(imageKind(await file(name, head))).rejects.toMatchObject({
      code: 'IMAGE_UNSUPPORTED',
      message: expect.stringContaining(`it is a ${name} file`),
    });
  });

  test('is there', async () => {
    await expect(imageKind('/nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(imageKind('/dev/null')).rejects.toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
  });
});

test('partitions are tried from the largest on, those within the disk', () => {
  const table = {
    partitiontable: {
      sectorsize: 512,
      partitions: [
        { start: 2048, size: 100, uuid: 'AB-1' },
        { start: 4096, size: 200 },
        { start: 8192, size: 9999 },
      ],
    },
  };
  expect(partitionsOf(JSON.stringify(table), 8192 * 512)).toEqual([
    { offset: 4096 * 512, size: 200 * 512 },
    { offset: 2048 * 512, size: 100 * 512, name: 'PARTUUID=ab-1' },
  ]);
  expect(partitionsOf('{"partitiontable":{}}', 1)).toEqual([]);
});

test('every file that an image gets is laid out beside the script', async () => {
  const script = await stageFiles(join(folder.path, 'stage'));
  const kind = await imageKind(join(folder.path, 'stage', 'any', 'usr/lib/rootcast'));
  expect([script.endsWith('/prepare.sh'), kind]).toEqual([true, 'folder']);
});

describeWith([program('blkid', 'util-linux')], 'what is no file system', () => {
  test('is not mounted, wherever it begins', async () => {
    const path = join(folder.path, 'disk');
    const content = Buffer.alloc(4 * 1024 * 1024);
    // Swap, 1 MiB in: its signature is at the end of the first page.
    content.write('SWAPSPACE2', 1024 * 1024 + 4086, 'latin1');
    content.write('ours', 1024 * 1024 + 1052, 'latin1');
    content.writeUInt32LE(1, 1024 * 1024 + 1024);
    content.writeUInt32LE(255, 1024 * 1024 + 1028);
    await writeFile(path, content);
    expect(await placeFacts(path, { offset: 1024 * 1024, size: 1024 * 1024 })).toEqual({
      other: 'swap',
      names: ['LABEL=ours'],
    });
    expect(
      await placeFacts(path, { offset: 2 * 1024 * 1024, size: 1024 * 1024, name: 'PARTUUID=1-2' }),
    ).toEqual({ other: undefined, names: ['PARTUUID=1-2'] });
  });
});
