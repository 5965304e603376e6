/**
 * A disk as files of a tar: `vdi/00000000` and so on, each followed by its hash. Numbers that are left out are blocks of
 * zeroes as long as the first one. A file without bytes says only that the sender is alive: its number stands for nothing.
 */
import { createHash } from 'node:crypto';
import { Fault } from '../../errors/index.ts';
import type { ByteFeed } from './byte-feed.ts';
import { invalidImage, unsupportedImage } from './image-fault.ts';
import type { ImportJob } from './image-target.ts';
import { TAR_BLOCK_BYTES_MAX } from './limits.ts';
import {
  parseTarHeader,
  TAR_SECTOR_BYTES,
  type TarEntry,
  type TarHeader,
  tarPadding,
} from './tar-header.ts';
import { xxh64 } from './xxh64.ts';

const BLOCK_NAME = /^(?:\.\/)?vdi\/(\d{1,15})$/;
const HASH_BYTES_MAX = 128;

/** By the extension of the file that follows a block. */
const HASHES: readonly { extension: string; hash: (block: Buffer) => string }[] = [
  { extension: '.xxhash', hash: xxh64 },
  {
    extension: '.checksum',
    hash: (block) => createHash('sha1').update(block).digest('hex').toUpperCase(),
  },
];

/** @throws Fault IMAGE_INVALID (also: a block is not what its hash says), IMAGE_UNSUPPORTED */
export async function importTar({ feed, writer, pace }: ImportJob): Promise<void> {
  let at = 0;
  let last = -1;
  let first: number | undefined;
  while (at < writer.size) {
    const file = await nextFile(feed);
    if (file === undefined) {
      throw invalidImage('end of the archive', at, `blocks up to ${writer.size}, the last always`);
    }
    const number = numberOf(file.name);
    if (number <= last) throw invalidImage('file name', file.name, `a number above ${last}`);
    first ??= file.size;
    const skipped = (number - last - 1) * first;
    last = number;
    const end = at + skipped + file.size;
    if (end > writer.size) {
      throw invalidImage(file.name, `${at + skipped}…${end}`, `inside of ${writer.size} bytes`);
    }
    const block = await readBlock(feed, file);
    await writer.clear(at, skipped);
    // Its hash came with it: a block that is not what it was never reaches the disk.
    if (block.length > 0) await writer.write(block, at + skipped);
    at = end;
    pace.reach(at, writer.size);
    await pace.spend(file.size + TAR_SECTOR_BYTES);
  }
}

/** Undefined: the archive is at its end. */
async function nextFile(feed: ByteFeed): Promise<TarEntry | undefined> {
  for (;;) {
    const header = parseTarHeader(await feed.exactly(TAR_SECTOR_BYTES, 'the header of a file'));
    const entry = entryOf(header);
    if (entry?.kind !== 'folder') return entry;
  }
}

function entryOf(header: TarHeader): TarEntry | undefined {
  switch (header.kind) {
    case 'end':
      return undefined;
    case 'violation':
      if (header.violation === 'type') {
        throw unsupportedImage('type of a file', 'another one', 'only files and folders are read');
      }
      throw invalidImage(`${header.violation} of a header`, 'wrong', 'a tar archive');
    case 'file':
    case 'folder':
      return header;
  }
}

function numberOf(name: string): number {
  const number = BLOCK_NAME.exec(name)?.[1];
  if (number === undefined) throw invalidImage('file name', name, 'vdi/ and the number of a block');
  return Number(number);
}

/** The bytes of a block, which are what the hash behind them says. */
async function readBlock(feed: ByteFeed, file: TarEntry): Promise<Buffer> {
  if (file.size > TAR_BLOCK_BYTES_MAX) {
    const detail = `a block has at most ${TAR_BLOCK_BYTES_MAX} bytes (TAR_BLOCK_BYTES_MAX)`;
    throw unsupportedImage(`size of ${file.name}`, file.size, detail);
  }
  const block = await feed.exactly(file.size, file.name);
  await feed.skip(tarPadding(file.size), file.name);
  const hashFile = await nextFile(feed);
  const kind = HASHES.find(({ extension }) => hashFile?.name === `${file.name}${extension}`);
  if (hashFile === undefined || kind === undefined || hashFile.size > HASH_BYTES_MAX) {
    const expected = `${file.name}.xxhash or .checksum, a short file`;
    throw invalidImage(`file behind ${file.name}`, hashFile?.name ?? 'the end', expected);
  }
  const said = (await feed.exactly(hashFile.size, hashFile.name)).toString('latin1').trim();
  await feed.skip(tarPadding(hashFile.size), hashFile.name);
  const is = kind.hash(block);
  if (said.toUpperCase() === is) return block;
  throw new Fault(
    'IMAGE_INVALID',
    `${file.name}: its hash is ${is}, ${hashFile.name} says ${said}`,
    {
      field: file.name,
      value: is,
      expected: said,
    },
  );
}
