/**
 * A second VHD reader, written from Microsoft's specification 1.0 alone and apart from the one in src: no
 * other program at hand reads differencing disks.
 */

export interface SpecVhd {
  readonly footer: {
    readonly features: number;
    readonly version: number;
    readonly dataOffset: bigint;
    readonly timestamp: number;
    readonly creator: string;
    readonly creatorSystem: string;
    readonly originalSize: number;
    readonly currentSize: number;
    readonly geometry: readonly [cylinders: number, heads: number, sectors: number];
    readonly type: number;
    readonly uniqueId: string;
  };
  readonly header: {
    readonly dataOffset: bigint;
    readonly version: number;
    readonly entries: number;
    readonly blockSize: number;
    readonly parentId: string;
    readonly parentTimestamp: number;
    readonly parentName: string;
    readonly locators: readonly { code: string; sectors: number; text: string }[];
  };
  /** Numbers of the blocks that are in the file. */
  readonly blocks: readonly number[];
  /** Undefined: the file says nothing about this sector. */
  sector(number: number): Buffer | undefined;
}

function sumIsRight(structure: Buffer, at: number): boolean {
  let sum = structure.readUInt32BE(at);
  for (let i = 0; i < structure.length; i += 1) if (i < at || i >= at + 4) sum += structure[i] ?? 0;
  return sum % 2 ** 32 === 2 ** 32 - 1;
}

function text(bytes: Buffer, bigEndian: boolean): string {
  let found = '';
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const unit = bigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at);
    if (unit === 0) break;
    found += String.fromCharCode(unit);
  }
  return found;
}

/** @throws Error when a structure is not where, or what, the specification says */
export function readVhd(file: Buffer): SpecVhd {
  const foot = file.subarray(file.length - 512);
  if (!foot.equals(file.subarray(0, 512))) throw new Error('footer and copy differ');
  if (foot.toString('latin1', 0, 8) !== 'conectix' || !sumIsRight(foot, 64))
    throw new Error('footer');
  if (foot.subarray(85).some((byte) => byte !== 0)) throw new Error('reserved bytes of the footer');
  const headAt = Number(foot.readBigUInt64BE(16));
  const head = file.subarray(headAt, headAt + 1024);
  if (head.toString('latin1', 0, 8) !== 'cxsparse' || !sumIsRight(head, 36))
    throw new Error('header');
  const tableAt = Number(head.readBigUInt64BE(16));
  const entries = head.readUInt32BE(28);
  const blockSize = head.readUInt32BE(32);
  const bitmapSize = Math.ceil(blockSize / 512 / 8 / 512) * 512;
  const locators = [];
  for (let at = 576; at < 576 + 8 * 24; at += 24) {
    if (head.readUInt32BE(at) === 0) continue;
    const offset = Number(head.readBigUInt64BE(at + 16));
    if (offset % 512 !== 0) throw new Error('locator');
    locators.push({
      code: head.toString('latin1', at, at + 4),
      sectors: head.readUInt32BE(at + 4),
      text: text(file.subarray(offset, offset + head.readUInt32BE(at + 8)), false),
    });
  }
  const blocks: number[] = [];
  const taken = new Set<number>();
  for (let i = 0; i < entries; i += 1) {
    const at = file.readUInt32BE(tableAt + i * 4);
    if (at === 0xffff_ffff) continue;
    if (taken.has(at) || at * 512 + bitmapSize + blockSize > file.length - 512)
      throw new Error('block');
    taken.add(at);
    blocks.push(i);
  }
  return {
    footer: {
      features: foot.readUInt32BE(8),
      version: foot.readUInt32BE(12),
      dataOffset: foot.readBigUInt64BE(16),
      timestamp: foot.readUInt32BE(24),
      creator: foot.toString('latin1', 28, 32),
      creatorSystem: foot.toString('latin1', 36, 40),
      originalSize: Number(foot.readBigUInt64BE(40)),
      currentSize: Number(foot.readBigUInt64BE(48)),
      geometry: [foot.readUInt16BE(56), foot.readUInt8(58), foot.readUInt8(59)],
      type: foot.readUInt32BE(60),
      uniqueId: foot.toString('hex', 68, 84),
    },
    header: {
      dataOffset: head.readBigUInt64BE(8),
      version: head.readUInt32BE(24),
      entries,
      blockSize,
      parentId: head.toString('hex', 40, 56),
      parentTimestamp: head.readUInt32BE(56),
      parentName: text(head.subarray(64, 576), true),
      locators,
    },
    blocks,
    sector(number) {
      const start = number * 512;
      const block = Math.floor(start / blockSize);
      const at = file.readUInt32BE(tableAt + block * 4);
      if (at === 0xffff_ffff) return undefined;
      const inBlock = number - (block * blockSize) / 512;
      const bits = file.readUInt8(at * 512 + Math.floor(inBlock / 8));
      if ((bits & (1 << (7 - (inBlock % 8)))) === 0) return undefined;
      const data = at * 512 + bitmapSize + inBlock * 512;
      return file.subarray(data, data + 512);
    },
  };
}

/** The disk as a chain of images, the uppermost first; what none of them says is zeroes. */
export function readVhdChain(images: readonly SpecVhd[]): Buffer {
  const size = images[0]?.footer.currentSize ?? 0;
  const disk = Buffer.alloc(size);
  for (let number = 0; number * 512 < size; number += 1) {
    const holder = images.find(
      (image) => number * 512 < image.footer.currentSize && image.sector(number) !== undefined,
    );
    holder?.sector(number)?.copy(disk, number * 512);
  }
  return disk;
}
