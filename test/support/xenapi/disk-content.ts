/** Content of VDIs, in and out by the HTTP handlers. */
import { Readable } from 'node:stream';
import type NbdClient from '@vates/nbd-client';
import type { Xapi } from 'xen-api';
import { seededRandom } from '../seed.ts';

export const MIB = 2 ** 20;
/** What a VHD and a backup of Xen Orchestra are made of. */
export const BLOCK = 2 * MIB;
/** What a bit of list_changed_blocks stands for. */
export const CBT_BLOCK = 64 * 1024;

const random = seededRandom();

/** Content that nothing else has, a stretch of it anywhere, the rest zeroes. */
export function sparse(size: number, stretches = 8): Buffer {
  const disk = Buffer.alloc(size);
  for (let stretch = 0; stretch < stretches; stretch += 1) scribble(disk);
  return disk;
}

/** Writes over some stretch of it. @returns where */
export function scribble(disk: Buffer): { readonly offset: number; readonly length: number } {
  const offset = Math.floor((random() * disk.length) / 512) * 512;
  const length = Math.min(disk.length - offset, 512 * (1 + Math.floor(random() * 300)));
  disk.fill(`${random()} `, offset, offset + length);
  return { offset, length };
}

/** A stream that says how long it is, as Xen Orchestra's do. */
export function sized(content: Buffer, chunk = 256 * 1024): Readable & { length: number } {
  return Object.assign(unsized(content, chunk), { length: content.length });
}

export function unsized(content: Buffer, chunk = 256 * 1024): Readable {
  const chunks = (function* () {
    for (let at = 0; at < content.length; at += chunk) yield content.subarray(at, at + chunk);
  })();
  return Readable.from(chunks, { objectMode: false });
}

/** Frames of `chunked=` (reference 1.8): what is not in one stays as it is. */
export function chunked(
  parts: readonly { readonly offset: number; readonly data: Buffer }[],
): Buffer {
  const frames = parts.flatMap(({ offset, data }) => [frameHead(offset, data.length), data]);
  return Buffer.concat([...frames, frameHead(0, 0)]);
}

function frameHead(offset: number, length: number): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(offset), 0);
  head.writeUInt32LE(length, 8);
  return head;
}

export async function importRaw(xapi: Xapi, vdi: string, content: Buffer): Promise<void> {
  await xapi.putResource(content, '/import_raw_vdi/', { query: { vdi, format: 'raw' } });
}

/** Writes parts of a disk and leaves the rest. */
export async function writeParts(
  xapi: Xapi,
  vdi: string,
  parts: readonly { readonly offset: number; readonly data: Buffer }[],
): Promise<void> {
  const query = { vdi, format: 'raw', chunked: 'true' };
  await xapi.putResource(chunked(parts), '/import_raw_vdi/', { query });
}

export async function exported(
  xapi: Xapi,
  vdi: string,
  format: string,
  base?: string,
): Promise<Buffer> {
  const query = { vdi, format, ...(base === undefined ? {} : { base }) };
  const { body } = await xapi.getResource('/export_raw_vdi/', { query });
  return Buffer.concat(await body.toArray());
}

/** All of an NBD export, in blocks as Xen Orchestra asks for them, one after the other. */
export async function readBlocks(
  client: Pick<NbdClient, 'exportSize' | 'readBlock'>,
): Promise<Buffer> {
  const size = Number(client.exportSize);
  const blocks: Buffer[] = [];
  for (let index = 0; index * BLOCK < size; index += 1) {
    blocks.push(await client.readBlock(index, BLOCK));
  }
  return Buffer.concat(blocks);
}

/** Says where they differ, not with what. */
export function firstDifference(one: Buffer, other: Buffer): string {
  if (one.length !== other.length) return `${one.length} bytes and ${other.length}`;
  if (one.equals(other)) return 'none';
  const at = one.findIndex((byte, index) => byte !== other[index]);
  return `at ${at}: ${one[at]} and ${other[at]}`;
}
