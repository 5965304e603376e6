import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeImage, writeTraceImage } from '../../../bench/image.ts';
import { BLOCK, fillBlock, IMAGE_AUTHOR, isBlock } from '../../../bench/load/content.ts';
import { DiskModel } from '../../../bench/load/disk-model.ts';
import { parseTrace } from '../../../bench/trace.ts';

function block(author: number, generation: number, number: number): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  fillBlock(bytes, 0, author, generation, number);
  return bytes;
}

describe('the content of a block', () => {
  it('is the same again, and another for each author, write and place', () => {
    const all = [block(0, 0, 0), block(1, 0, 0), block(0, 1, 0), block(0, 0, 1), block(1, 1, 1)];
    expect(block(0, 0, 0)).toEqual(all[0]);
    expect(new Set(all.map((bytes) => bytes.toString('latin1'))).size).toBe(all.length);
    expect(new Set(all.map((bytes) => bytes.toString('latin1', 16))).size).toBe(all.length);
  });

  it('is recognised whole, and not with any byte of it changed', () => {
    const bytes = block(3, 9, 77);
    expect(isBlock(bytes, 0, 3, 9, 77)).toBe(true);
    for (const at of [0, 4, 8, 12, 16, 1000, BLOCK - 1]) {
      const spoilt = Buffer.from(bytes);
      spoilt[at] = (spoilt[at] ?? 0) ^ 1;
      expect(isBlock(spoilt, 0, 3, 9, 77), `byte ${at}`).toBe(false);
    }
  });
});

describe('what a disk must hold', () => {
  it('is the image until the machine writes, and then what it wrote last', () => {
    const model = new DiskModel(4, true);
    expect(model.check(block(IMAGE_AUTHOR, 0, 2), 2 * BLOCK)).toBeUndefined();
    const written = Buffer.alloc(2 * BLOCK);
    model.prepareWrite(written, BLOCK);
    expect(model.check(written, BLOCK)).toBeUndefined();
    expect(model.writtenBlocks()).toEqual([1, 2]);
    expect(model.checkedBytes).toBe(3 * BLOCK);

    const old = Buffer.from(written);
    model.prepareWrite(written, BLOCK);
    const fault = model.check(old, BLOCK);
    expect(fault).toEqual({
      offset: BLOCK,
      wanted: 'block 1 of machine 4, write 1',
      found: 'block 1 of machine 4, write 0',
    });
  });

  it('is not known where it was let go of, until it is written again', () => {
    const model = new DiskModel(0, true);
    const written = Buffer.alloc(4 * BLOCK);
    model.prepareWrite(written, 0);
    model.forget(BLOCK + 1, BLOCK);
    expect(model.writtenBlocks()).toEqual([0, 3]);
    expect(model.check(Buffer.alloc(2 * BLOCK), BLOCK)).toBeUndefined();
    expect(model.checkedBytes).toBe(0);
    const again = Buffer.alloc(BLOCK);
    model.prepareWrite(again, BLOCK);
    expect(model.check(again, BLOCK)).toBeUndefined();
    expect(model.check(written.subarray(BLOCK, 2 * BLOCK), BLOCK)).toBeDefined();
  });

  it("is neither another machine's block nor zeroes, and the difference is named", () => {
    const model = new DiskModel(0, true);
    const foreign = Buffer.concat([block(IMAGE_AUTHOR, 0, 5), block(8, 3, 6)]);
    expect(model.check(foreign, 5 * BLOCK)).toEqual({
      offset: 6 * BLOCK,
      wanted: 'block 6 of the image',
      found: 'block 6 of machine 7, write 3',
    });
    expect(model.check(Buffer.alloc(BLOCK), 0)?.found).toBe('zeroes');
    const spoilt = block(IMAGE_AUTHOR, 0, 0);
    spoilt[4000] = (spoilt[4000] ?? 0) ^ 1;
    expect(model.check(spoilt, 0)?.found).toContain('with other bytes behind its header');
  });

  it('can be checked in parts of blocks', () => {
    const model = new DiskModel(0, true);
    const image = Buffer.concat([block(IMAGE_AUTHOR, 0, 0), block(IMAGE_AUTHOR, 0, 1)]);
    expect(model.check(image.subarray(1024, BLOCK + 512), 1024)).toBeUndefined();
    expect(model.check(image.subarray(1024, 2048), 1536)).toMatchObject({ offset: 1536 });
  });

  it('is unknown where nobody can know it, and then not counted', () => {
    const foreign = new DiskModel(0, false);
    expect(foreign.check(Buffer.alloc(BLOCK, 1), 0)).toBeUndefined();
    expect(foreign.checkedBytes).toBe(0);
    const part = Buffer.alloc(512);
    foreign.prepareWrite(part, 512);
    expect(foreign.check(Buffer.alloc(BLOCK, 1), 0)).toBeUndefined();
    expect(foreign.writtenBlocks()).toEqual([]);
  });
});

describe('the image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-image-'));

  function readBack(path: string, offset: number, length: number): Buffer {
    const file = openSync(path, 'r');
    const bytes = Buffer.alloc(length);
    readSync(file, bytes, 0, length, offset);
    closeSync(file);
    return bytes;
  }

  it('holds what the model says', () => {
    const path = join(folder, 'full.raw');
    writeImage(path, 5 * 2 ** 20);
    const bytes = readBack(path, 0, 5 * 2 ** 20);
    expect(statSync(path).size).toBe(bytes.length);
    const model = new DiskModel(0, true);
    expect(model.check(bytes, 0)).toBeUndefined();
    expect(model.checkedBytes).toBe(bytes.length);
  });

  it('of a trace holds the blocks that the trace touches, and holes', () => {
    const path = join(folder, 'trace.raw');
    writeTraceImage(path, parseTrace('R,1024,1024\nW,1048576,8192\nF\n'));
    const model = new DiskModel(0, true);
    expect(model.check(readBack(path, 0, BLOCK), 0)).toBeUndefined();
    expect(model.check(readBack(path, 1_048_576, 2 * BLOCK), 1_048_576)).toBeUndefined();
    expect(statSync(path).size).toBe(1_048_576 + 2 * BLOCK);
    expect(readBack(path, BLOCK, BLOCK)).toEqual(Buffer.alloc(BLOCK));
    rmSync(folder, { recursive: true });
  });
});
