import { Fault } from '../../errors/index.ts';
import type { ImageReader } from '../formats/index.ts';

/** @throws Fault IMAGE_INVALID */
export function refuseEmpty(reader: ImageReader, path: string): void {
  if (reader.size > 0) return;
  const details = { field: 'size', value: 0, expected: '1 byte or more' };
  throw new Fault('IMAGE_INVALID', `${path}: the disk has no bytes`, details);
}

/** @param needed bytes at most; chunks of zeroes are known only when they are read */
export function noRoom(path: string, folder: string, needed: number, free: number): Fault {
  return new Fault(
    'NO_SPACE',
    `a copy of ${path} needs up to ${needed} bytes in ${folder}, which has ${free} free`,
    { field: 'data', value: free, expected: `${needed} bytes` },
  );
}
