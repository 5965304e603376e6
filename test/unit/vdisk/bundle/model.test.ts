/**
 * Trees of versions by chance, to a server that has some of it by chance: what arrives is what was sent, and
 * what is sent is exactly what lacks, counted here the simple way.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeInventory, encodeInventory } from '../../../../src/vdisk/bundle/index.ts';
import { SEED } from '../../../support/seed.ts';
import { chunks, collect, MemoryServer, pieces, sourceOf } from './memory-server.ts';
import { hashesOf, MemoryVersion } from './memory-version.ts';

const MOST_CHUNKS = 10;
const COLOURS = 9;

interface VersionIdea {
  readonly parent: number;
  readonly chunkCount: number;
  readonly less: number;
  readonly changes: readonly (readonly [number, number])[];
  /** What the receiver has of it: the version itself, and whether the sender knows. */
  readonly held: 'no' | 'unknown' | 'known';
}

const change = fc.tuple(fc.nat(MOST_CHUNKS - 1), fc.nat(COLOURS));
const held = fc.constantFrom<VersionIdea['held']>('no', 'no', 'no', 'unknown', 'known');
const versionIdea = fc.record<VersionIdea>({
  parent: fc.integer({ min: -2, max: 7 }),
  chunkCount: fc.integer({ min: 1, max: MOST_CHUNKS }),
  less: fc.constantFrom(0, 0, 512, 65_024),
  changes: fc.array(change, { maxLength: MOST_CHUNKS }),
  held,
});
const strayIdea = fc.record({
  colours: fc.array(fc.nat(COLOURS), { minLength: 1, maxLength: 4 }),
  known: fc.boolean(),
  /** Its chunks cannot be read any more. */
  damaged: fc.boolean(),
});
const scenario = fc.record({
  versions: fc.array(versionIdea, { minLength: 1, maxLength: 7 }),
  strays: fc.array(strayIdea, { maxLength: 2 }),
  online: fc.boolean(),
  pieceBytes: fc.constantFrom(1_000, 65_536, 200_000),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** The versions of the tree, and a copy of those that the receiver has. */
async function build({ versions, strays }: Scenario, from: MemoryServer, to: MemoryServer) {
  const made: MemoryVersion[] = [];
  const known = new Set<MemoryVersion>();
  for (const idea of versions) {
    const parent = idea.parent < 0 ? undefined : made[idea.parent % Math.max(1, made.length)];
    const size = chunks(idea.chunkCount, idea.less);
    const inside = idea.changes.filter(([chunk]) => chunk < idea.chunkCount);
    // The last chunk of the parent is of another length here: whoever changes the size writes it.
    const last = (parent?.size ?? 0) === size ? [] : endsOf(parent, size);
    const version = await from.make(size, parent, new Map([...last, ...inside]));
    made.push(version);
    if (idea.held === 'no') continue;
    await to.hold(flatCopy(version));
    if (idea.held === 'known') known.add(version);
  }
  for (const { colours, known: isKnown, damaged } of strays) {
    const places = colours.map((colour, chunk) => [chunk, colour] as const);
    const stray = await to.make(chunks(MOST_CHUNKS), undefined, places);
    if (isKnown) known.add(stray);
    if (damaged) for (const hash of hashesOf([stray])) to.damaged.add(hash);
  }
  return { made, known };
}

/** The chunk with which either disk ends, in the colour 1. */
function endsOf(parent: MemoryVersion | undefined, size: number): [number, number][] {
  const end = (bytes: number) => Math.ceil(bytes / 65_536) - 1;
  const ends = [end(size), ...(parent === undefined ? [] : [end(parent.size)])];
  return ends.filter((chunk) => chunk <= end(size)).map((chunk) => [chunk, 1]);
}

function flatCopy(version: MemoryVersion): MemoryVersion {
  const copy = new MemoryVersion(version.size, undefined, version.manifestPath);
  for (const chunk of version.present()) copy.own.set(chunk, version.bytesOf(chunk));
  return copy;
}

const without = (all: Set<string>, some: ReadonlySet<string>): Set<string> =>
  new Set([...all].filter((hash) => !some.has(hash)));

async function check(idea: Scenario): Promise<'imported' | 'damaged'> {
  const from = await MemoryServer.create();
  const to = await MemoryServer.create();
  try {
    const { made, known } = await build(idea, from, to);
    const heldBefore = new Set(to.held.keys());
    const local = new Set(to.hashes());
    const toBeMade = made.filter((version) => !heldBefore.has(version.contentId()));
    const knownIds = [...known].map((version) => version.contentId());
    const receiverHas = decodeInventory(encodeInventory(knownIds));
    const sent = made.filter((version) => !receiverHas.has(version.contentId()));
    const inventory = await from.inventory(known);
    const asked: Buffer[][] = [];
    const bundle = await collect(
      from.write(sourceOf(made), {
        receiverHas,
        lacks: (hash) => !inventory.has(hash),
        ...(idea.online ? { chunks: 'none' } : {}),
      }),
    );
    await inventory.close();
    // Offline: what is in the versions that are sent, and not in what the sender knows of.
    const lacking = without(hashesOf(sent), hashesOf(known));
    const online = without(hashesOf(toBeMade), local);
    const reading = to.read(pieces(bundle, idea.pieceBytes), {
      fetchChunks: from.answering(asked),
    });
    const received = await reading.catch((error: unknown) => error);
    expect(await to.leftOver()).toEqual([]);
    if (received instanceof Error) {
      expect(received).toMatchObject({ code: 'NOT_FOUND' });
      expect(received.message).toMatch(/^version \d, chunk \d: SHA-256 [0-9a-f]{64} does not come/);
      const hash = /[0-9a-f]{64}/.exec(received.message)?.[0] ?? '';
      expect(to.damaged.has(hash) && !idea.online).toBe(true);
      expect(to.begun.every(({ state }) => state === 'abandoned')).toBe(true);
      return 'damaged';
    }
    const { chunksReceived } = received as { chunksReceived: number };
    if (idea.online) {
      // What turned out to be damaged was asked for as well.
      const all = new Set(asked.flat().map((hash) => hash.toString('hex')));
      expect(without(all, to.damaged)).toEqual(without(online, to.damaged));
      expect([without(online, all).size, without(all, hashesOf(toBeMade)).size]).toEqual([0, 0]);
      expect(asked.flat()).toHaveLength(all.size);
      expect(chunksReceived).toBe(all.size);
    } else expect(chunksReceived).toBe(lacking.size);
    expect(to.begun.map((version) => [version.state, version.contentId()])).toEqual(
      toBeMade.map((version) => ['finished', version.contentId()]),
    );
    for (const [index, version] of to.begun.entries()) {
      const original = toBeMade[index];
      expect(version.size).toBe(original?.size);
      for (let chunk = 0; chunk < version.size / 65_536; chunk += 1) {
        expect(original?.bytesOf(chunk).equals(version.bytesOf(chunk))).toBe(true);
      }
    }
    return 'imported';
  } finally {
    await from.close();
    await to.close();
  }
}

it(`what arrives is what was sent, and no chunk is sent in vain (seed ${SEED})`, async () => {
  const seen = { imported: 0, damaged: 0 };
  const property = fc.asyncProperty(scenario, async (idea) => {
    seen[await check(idea)] += 1;
  });
  await fc.assert(property, { seed: SEED, numRuns: 80 });
  expect(seen.imported).toBeGreaterThan(50);
});
