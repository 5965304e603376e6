/**
 * The content of a large disk in a few kilobytes: each unit of 64 KiB has a tag, which says all of its bytes.
 * Read and written over NBD, some requests at a time.
 */
import type { NbdClient } from '../../../src/nbd/client/index.ts';
import { patternBlock } from '../../support/pattern-image.ts';

export const UNIT_BYTES = 64 * 1024;
const BLOCK_BYTES = 4096;
/** Units of one request. */
const RUN_UNITS = 16;
const REQUESTS_AT_ONCE = 4;

/** Which runs of units are read: one of so many, from that on. */
export interface Look {
  readonly every: number;
  readonly from: number;
}

/** The tag of each unit; 0: zeroes. */
export type Tags = Uint32Array;

const templates = new Map<number, Buffer>();

function template(tag: number): Buffer {
  const known = templates.get(tag);
  if (known !== undefined) return known;
  const blocks = Array.from({ length: UNIT_BYTES / BLOCK_BYTES }, (_, block) =>
    patternBlock(block, tag),
  );
  const made = Buffer.concat(blocks);
  templates.set(tag, made);
  return made;
}

/** What the units [first, first + count) hold. */
export function contentOf(tags: Tags, first: number, count: number): Buffer {
  const content = Buffer.alloc(count * UNIT_BYTES);
  for (let index = 0; index < count; index++) {
    const tag = tags[first + index] ?? 0;
    if (tag === 0) continue;
    const at = index * UNIT_BYTES;
    template(tag).copy(content, at);
    for (let block = 0; block < UNIT_BYTES; block += BLOCK_BYTES) {
      content.writeUInt32LE(first + index, at + block);
    }
  }
  return content;
}

async function forEachRun(
  runs: readonly number[],
  each: (first: number) => Promise<void>,
): Promise<void> {
  const left = [...runs];
  const lane = async (): Promise<void> => {
    for (let first = left.shift(); first !== undefined; first = left.shift()) await each(first);
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, lane));
}

function runsBetween(from: number, to: number): number[] {
  return Array.from(
    { length: Math.ceil((to - from) / RUN_UNITS) },
    (_, at) => from + at * RUN_UNITS,
  );
}

/** Gives the units [from, to) a tag, of which every eighth run becomes zeroes. Nothing is flushed. */
export async function writeTagged(
  client: NbdClient,
  tags: Tags,
  [from, to]: readonly [number, number],
  tag: number,
): Promise<void> {
  await forEachRun(runsBetween(from, to), async (first) => {
    const count = Math.min(RUN_UNITS, to - first);
    const isZero = (first / RUN_UNITS) % 8 === 3;
    tags.fill(isZero ? 0 : tag, first, first + count);
    const offset = first * UNIT_BYTES;
    if (isZero) await client.zero(offset, count * UNIT_BYTES);
    else await client.write(contentOf(tags, first, count), offset);
  });
}

/** @throws Error that says where the disk is not what it should be */
export async function expectTagged(
  client: NbdClient,
  tags: Tags,
  what: string,
  look: Look = { every: 1, from: 0 },
): Promise<void> {
  const runs = runsBetween(0, tags.length);
  const looked = runs.filter((_, index) => index % look.every === look.from % look.every);
  await forEachRun(looked, async (first) => {
    const count = Math.min(RUN_UNITS, tags.length - first);
    const got = Buffer.allocUnsafe(count * UNIT_BYTES);
    await client.read(got, first * UNIT_BYTES);
    const expected = contentOf(tags, first, count);
    if (got.equals(expected)) return;
    const at = got.findIndex((byte, index) => byte !== expected[index]);
    const unit = first + Math.floor(at / UNIT_BYTES);
    throw new Error(
      `${what}: unit ${unit} is not of tag ${tags[unit]}, from byte ${at % UNIT_BYTES}`,
    );
  });
}
