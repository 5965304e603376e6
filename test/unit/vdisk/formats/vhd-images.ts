/** A small VHD writer for tests, after Microsoft's specification 1.0: qemu-img writes no differencing disks. */

export interface VhdBlock {
  readonly bytes: Buffer;
  /** One bit per sector, most significant first; all ones unless given. */
  readonly bitmap?: Buffer;
}

export interface VhdOptions {
  readonly size: number;
  readonly kind: 'fixed' | 'dynamic' | 'differencing';
  readonly uniqueId: string;
  readonly blockBytes?: number;
  readonly blocks?: ReadonlyMap<number, VhdBlock>;
  readonly disk?: Buffer;
  readonly parentId?: string;
  readonly parentName?: string;
  readonly locators?: readonly { platform: string; text: string }[];
}

const TYPES = { fixed: 2, dynamic: 3, differencing: 4 } as const;

export function vhdImage(options: VhdOptions): Buffer {
  const foot = footer(options);
  if (options.kind === 'fixed') return Buffer.concat([options.disk ?? Buffer.alloc(0), foot]);
  const blockBytes = options.blockBytes ?? 2 * 1024 * 1024;
  const entries = Math.ceil(options.size / blockBytes);
  const table = Buffer.alloc(Math.ceil((entries * 4) / 512) * 512, 0xff);
  const head = Buffer.alloc(1024);
  head.write('cxsparse', 0, 'latin1');
  head.fill(0xff, 8, 16);
  head.writeBigUInt64BE(1536n, 16);
  head.writeUInt32BE(0x10000, 24);
  head.writeUInt32BE(entries, 28);
  head.writeUInt32BE(blockBytes, 32);
  head.write(options.parentId ?? '', 40, 'hex');
  Buffer.from(options.parentName ?? '', 'utf16le')
    .swap16()
    .copy(head, 64);
  const parts: Buffer[] = [];
  let next = 1536 + table.length;
  for (const [index, { platform, text }] of (options.locators ?? []).entries()) {
    const encoding = platform === 'MacX' ? 'utf8' : 'utf16le';
    const path = Buffer.from(text, encoding);
    const stored = Buffer.alloc(Math.ceil(path.length / 512) * 512);
    path.copy(stored);
    const at = 576 + index * 24;
    head.write(platform, at, 'latin1');
    head.writeUInt32BE(stored.length / 512, at + 4);
    head.writeUInt32BE(path.length, at + 8);
    head.writeBigUInt64BE(BigInt(next), at + 16);
    parts.push(stored);
    next += stored.length;
  }
  head.writeUInt32BE(checksum(head, 36), 36);
  const bitmapBytes = Math.ceil(blockBytes / 512 / 8 / 512) * 512;
  for (const [index, block] of options.blocks ?? []) {
    table.writeUInt32BE(next / 512, index * 4);
    const bitmap = Buffer.alloc(bitmapBytes, block.bitmap === undefined ? 0xff : 0);
    block.bitmap?.copy(bitmap);
    const data = Buffer.alloc(blockBytes);
    block.bytes.copy(data);
    parts.push(bitmap, data);
    next += bitmapBytes + blockBytes;
  }
  return Buffer.concat([foot, head, table, ...parts, foot]);
}

function footer(options: VhdOptions): Buffer {
  const foot = Buffer.alloc(512);
  foot.write('conectix', 0, 'latin1');
  foot.writeUInt32BE(2, 8);
  foot.writeUInt32BE(0x10000, 12);
  foot.writeBigUInt64BE(options.kind === 'fixed' ? 0xffff_ffff_ffff_ffffn : 512n, 16);
  foot.write('test', 28, 'latin1');
  foot.writeBigUInt64BE(BigInt(options.size), 40);
  foot.writeBigUInt64BE(BigInt(options.size), 48);
  foot.writeUInt32BE(TYPES[options.kind], 60);
  foot.write(options.uniqueId, 68, 'hex');
  foot.writeUInt32BE(checksum(foot, 64), 64);
  return foot;
}

/** Written apart from the reader's, on purpose. */
export function checksum(structure: Buffer, at: number): number {
  let sum = 0;
  for (let index = 0; index < structure.length; index += 1) {
    if (index < at || index > at + 3) sum = (sum + structure.readUInt8(index)) >>> 0;
  }
  return (sum ^ 0xffff_ffff) >>> 0;
}
