import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../../../src/block/index.ts';
import { parseTarHeader, tarHeader, tarPadding } from '../../../../src/xenapi/images/tar-header.ts';
import { xxh64 } from '../../../../src/xenapi/images/xxh64.ts';
import {
  contentOf,
  dirty,
  expectSame,
  exported,
  imported,
  limited,
  M,
  memoryOf,
} from './transfers.ts';

function file(name: string, bytes: Buffer): Buffer {
  return Buffer.concat([
    tarHeader(name, bytes.length),
    bytes,
    Buffer.alloc(tarPadding(bytes.length)),
  ]);
}

const numbered = (number: number): string => `vdi/${String(number).padStart(8, '0')}`;

function block(number: number, bytes: Buffer, hash = xxh64(bytes)): Buffer {
  const name = numbered(number);
  return Buffer.concat([file(name, bytes), file(`${name}.xxhash`, Buffer.from(hash))]);
}

const A = Buffer.alloc(M, 'a');
const B = Buffer.alloc(M, 'b');
const LAST = Buffer.alloc(512, 'c');
const SIZE = 4 * M + 512;
const DISK = Buffer.concat([A, Buffer.alloc(M), B, Buffer.alloc(M), LAST]);

const take = async (bytes: Buffer): Promise<Buffer> => {
  const target = dirty(SIZE);
  await imported('tar', bytes, target);
  return contentOf(target);
};

describe('a tar that is imported', () => {
  it('has zeroes for the numbers that it leaves out', async () => {
    const end = Buffer.alloc(1024);
    const bytes = [block(0, A), block(2, B), block(4, LAST)];
    expectSame(await take(Buffer.concat([...bytes, end])), DISK);
    // Who ends with the last block has said everything.
    expectSame(await take(Buffer.concat(bytes)), DISK);
  });

  it('may have empty files, whose numbers stand for nothing', async () => {
    const none = Buffer.alloc(0);
    const bytes = [block(0, A), block(2, none), block(3, B), block(4, none), block(6, LAST)];
    expectSame(await take(Buffer.concat(bytes)), DISK);
  });

  it('may have SHA-1 instead, in either case, and folders', async () => {
    const sha1 = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');
    const pairs = [
      [0, A],
      [2, B],
      [4, LAST],
    ] as const;
    const folder = tarHeader('vdi/', 0);
    folder.write('5', 156, 'latin1');
    folder.fill(0x20, 148, 156);
    const sum = folder.reduce((all, byte) => all + byte, 0);
    folder.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const bytes = pairs.map(([number, content]) =>
      Buffer.concat([
        file(numbered(number), content),
        file(
          `${numbered(number)}.checksum`,
          Buffer.from(number === 0 ? sha1(content) : sha1(content).toUpperCase()),
        ),
      ]),
    );
    expectSame(await take(Buffer.concat([folder, ...bytes])), DISK);
  });

  it('is refused where a block is not what its hash says, by the name of the file', async () => {
    const target = dirty(SIZE);
    const bytes = Buffer.concat([block(0, A), block(2, B, xxh64(A)), block(4, LAST)]);
    await expect(imported('tar', bytes, target)).rejects.toThrow('vdi/00000002: its hash');
    // What is wrong never reached the disk.
    expect(contentOf(target).includes('bbbb')).toBe(false);
  });

  const wrongSum = tarHeader(numbered(0), M);
  wrongSum.write('9', 0, 'latin1');

  it.each<[string, Buffer, string]>([
    ['a number twice', Buffer.concat([block(0, A), block(0, A)]), 'a number above'],
    ['a number that goes back', Buffer.concat([block(1, A), block(0, A)]), 'a number above'],
    ['too many blocks', Buffer.concat([block(0, A), block(8, B)]), 'inside of'],
    ['a block that is too long', block(0, Buffer.alloc(5 * M)), 'inside of'],
    [
      'an end before the last block',
      Buffer.concat([block(0, A), Buffer.alloc(1024)]),
      'the last always',
    ],
    ['another name', file('disk/00000000', A), 'vdi/'],
    ['no number', file('vdi/first', A), 'vdi/'],
    ['no hash', Buffer.concat([file(numbered(0), A), file(numbered(1), A)]), '.xxhash'],
    [
      'another hash',
      Buffer.concat([file(numbered(0), A), file(`${numbered(0)}.md5`, A)]),
      '.xxhash',
    ],
    [
      'a long hash',
      Buffer.concat([file(numbered(0), A), file(`${numbered(0)}.xxhash`, A)]),
      'short',
    ],
    ['a header that is wrong', wrongSum, 'checksum of a header'],
  ])('is refused: %s', async (_name, bytes, message) => {
    await expect(take(bytes)).rejects.toThrow(message);
  });

  it('is refused when a block would not fit into memory', async () => {
    const target = new MemoryDevice({ size: 100 * M });
    const refused = imported('tar', tarHeader(numbered(0), 17 * M), target);
    await expect(refused).rejects.toThrow('TAR_BLOCK_BYTES_MAX');
  });
});

describe('a tar that is exported', () => {
  it('says that it is alive while there is nothing to say', async () => {
    let time = 0;
    const disk = limited(memoryOf(DISK), { extents: false });
    const now = (): number => {
      time += 6_000;
      return time;
    };
    const bytes = await exported('tar', { disk, now });
    const empty: string[] = [];
    for (let at = 0; at < bytes.length; at += 512) {
      const header = parseTarHeader(bytes.subarray(at, at + 512));
      if (header.kind === 'file' && header.size === 0) empty.push(header.name);
    }
    expect(empty.length).toBeGreaterThan(0);
    const target = new MemoryDevice({ size: SIZE });
    await imported('tar', bytes, target);
    expectSame(contentOf(target), DISK);
  });
});
