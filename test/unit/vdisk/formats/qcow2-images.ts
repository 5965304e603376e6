/** A small qcow2 writer for tests, after docs/interop/qcow2.rst: what qemu-img cannot be told to write. */
import { deflateRawSync, zstdCompressSync } from 'node:zlib';

export type Cluster =
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'compressed'; readonly bytes: Buffer }
  | { readonly kind: 'zero' }
  /** Extended L2 only: the two bitmaps as they are. */
  | { readonly kind: 'sub'; readonly bytes: Buffer; readonly bitmap: bigint };

export interface Qcow2Options {
  readonly size: number;
  readonly clusters: ReadonlyMap<number, Cluster>;
  readonly clusterBits?: number;
  readonly version?: 2 | 3;
  readonly zstd?: boolean;
  readonly extended?: boolean;
  readonly incompatible?: bigint;
  readonly backing?: string;
  readonly backingFormat?: string;
}

const COPIED = 1n << 63n;

export function qcow2Image(options: Qcow2Options): Buffer {
  const bits = options.clusterBits ?? 16;
  const cluster = 2 ** bits;
  const entryBytes = options.extended ? 16 : 8;
  const perTable = cluster / entryBytes;
  const tables = Math.ceil(options.size / cluster / perTable);
  const l1Clusters = Math.max(1, Math.ceil((tables * 8) / cluster));
  const parts: Buffer[] = [];
  let next = (1 + l1Clusters) * cluster;
  const l1 = Buffer.alloc(l1Clusters * cluster);
  const l2s = new Map<number, Buffer>();
  for (const [index, content] of options.clusters) {
    const table = Math.floor(index / perTable);
    let l2 = l2s.get(table);
    if (l2 === undefined) {
      l2 = Buffer.alloc(cluster);
      l2s.set(table, l2);
      l1.writeBigUInt64BE(BigInt(next) | COPIED, table * 8);
      parts.push(l2);
      next += cluster;
    }
    const at = (index % perTable) * entryBytes;
    if (content.kind === 'zero') {
      l2.writeBigUInt64BE(options.extended ? 0n : 1n, at);
      if (options.extended) l2.writeBigUInt64BE(0xffff_ffffn << 32n, at + 8);
      continue;
    }
    if (content.kind === 'compressed') {
      const packed = options.zstd ? zstdCompressSync(content.bytes) : deflateRawSync(content.bytes);
      const sectors = Math.ceil(packed.length / 512);
      // Rubbish up to the end of the sector, as real images have it.
      const stored = Buffer.alloc(Math.ceil((sectors * 512) / cluster) * cluster, 0xee);
      packed.copy(stored);
      const width = BigInt(62 - (bits - 8));
      const entry = (1n << 62n) | (BigInt(sectors - 1) << width) | BigInt(next);
      l2.writeBigUInt64BE(entry, at);
      parts.push(stored);
      next += stored.length;
      continue;
    }
    l2.writeBigUInt64BE(BigInt(next) | COPIED, at);
    if (options.extended) {
      l2.writeBigUInt64BE(content.kind === 'sub' ? content.bitmap : 0xffff_ffffn, at + 8);
    }
    const stored = Buffer.alloc(cluster);
    content.bytes.copy(stored);
    parts.push(stored);
    next += cluster;
  }
  return Buffer.concat([header(options, bits, tables), l1, ...parts]);
}

function header(options: Qcow2Options, bits: number, tables: number): Buffer {
  const first = Buffer.alloc(2 ** bits);
  const version = options.version ?? 3;
  let at = version === 2 ? 72 : 112;
  first.writeUInt32BE(0x514649fb, 0);
  first.writeUInt32BE(version, 4);
  first.writeUInt32BE(bits, 20);
  first.writeBigUInt64BE(BigInt(options.size), 24);
  first.writeUInt32BE(tables, 36);
  first.writeBigUInt64BE(BigInt(2 ** bits), 40);
  if (version === 3) {
    let features = options.incompatible ?? 0n;
    if (options.zstd) features |= 8n;
    if (options.extended) features |= 16n;
    first.writeBigUInt64BE(features, 72);
    first.writeUInt32BE(4, 96);
    first.writeUInt32BE(112, 100);
    first.writeUInt8(options.zstd ? 1 : 0, 104);
  }
  if (options.backingFormat !== undefined) {
    first.writeUInt32BE(0xe2792aca, at);
    first.writeUInt32BE(options.backingFormat.length, at + 4);
    first.write(options.backingFormat, at + 8);
    at += 8 + Math.ceil(options.backingFormat.length / 8) * 8;
  }
  if (options.backing !== undefined) {
    first.writeBigUInt64BE(BigInt(at + 8), 8);
    first.writeUInt32BE(options.backing.length, 16);
    first.write(options.backing, at + 8);
  }
  return first;
}
