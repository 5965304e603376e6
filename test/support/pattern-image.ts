/** Images whose every byte is a known function of its offset, so that any read can be checked alone. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

const BLOCK = 4096;

/** 4 KiB of content for block `number`: its number and a tag, repeated. */
export function patternBlock(number: number, tag: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  for (let at = 0; at < BLOCK; at += 16) {
    block.writeUInt32LE(number % 2 ** 32, at);
    block.writeUInt32LE(tag, at + 4);
    block.writeUInt32LE(at, at + 8);
    block.writeUInt32LE(0x526f6f74, at + 12);
  }
  return block;
}

/** A sparse raw image: of every 32 blocks the first 24 hold their pattern, the rest are a hole. */
export function writePatternImage(path: string, size: number, tag = 0): void {
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, size);
    for (let number = 0; number < size / BLOCK; number++) {
      if (isHole(number)) continue;
      writeSync(file, patternBlock(number, tag), 0, BLOCK, number * BLOCK);
    }
  } finally {
    closeSync(file);
  }
}

export const isHole = (number: number): boolean => number % 32 >= 24;

/** What block `number` of that image holds. */
export function imageBlock(number: number, tag = 0): Buffer {
  return isHole(number) ? Buffer.alloc(BLOCK) : patternBlock(number, tag);
}
