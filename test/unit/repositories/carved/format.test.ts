/** The decoders take any bytes: what was written comes back, and nothing else does. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeCheckpointBody,
  decodeCheckpointHead,
  encodeCheckpoint,
} from '../../../../src/repositories/carved/checkpoint.ts';
import { ExtentMap } from '../../../../src/repositories/carved/extent-map.ts';
import {
  decodeJournalBlock,
  encodeJournalBlock,
  type JournalBlock,
  splitIntoBlocks,
} from '../../../../src/repositories/carved/journal-block.ts';
import {
  defaultExtentSize,
  extentsOn,
  planLayout,
  regionBytes,
} from '../../../../src/repositories/carved/layout.ts';
import { MetadataState } from '../../../../src/repositories/carved/metadata-state.ts';
import {
  decodeRecord,
  encodeRecord,
  type MetadataRecord,
  recordLength,
} from '../../../../src/repositories/carved/records.ts';
import {
  decodeSuperblock,
  encodeSuperblock,
  type Superblock,
} from '../../../../src/repositories/carved/superblock.ts';
import { KIB, MIB } from '../../../support/carved.ts';
import { SEED } from '../../../support/seed.ts';

const FORMAT = '00112233445566778899aabbccddeeff';
const TIB = 2 ** 40;

const id = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((b) => Buffer.from(b).toString('hex'));
const extent = fc.nat(2 ** 20);
const records: fc.Arbitrary<MetadataRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    volume: fc.nat(),
    id,
    name: fc.string({ maxLength: 60, unit: 'grapheme' }).map((text) => text.slice(0, 40)),
    tag: fc.string({ maxLength: 200 }),
    size: fc.nat(),
    thin: fc.boolean(),
    createdAt: fc.nat(),
  }),
  fc.record({ kind: fc.constantFrom('ready' as const, 'delete' as const), volume: fc.nat() }),
  fc.record({
    kind: fc.constantFrom('reserve' as const, 'resize' as const),
    volume: fc.nat(),
    size: fc.nat(),
  }),
  fc.record({
    kind: fc.constant('map' as const),
    volume: fc.nat(),
    logical: extent,
    physical: extent,
    count: fc.integer({ min: 1, max: 1000 }),
  }),
  fc.record({
    kind: fc.constant('unmap' as const),
    volume: fc.nat(),
    logical: extent,
    count: fc.integer({ min: 1, max: 1000 }),
  }),
);

function superblock(): Superblock {
  const layout = planLayout(64 * MIB, 64 * KIB);
  if (layout === undefined) throw new Error('too small');
  return {
    ...layout,
    sequence: 7,
    formatId: FORMAT,
    repositoryId: 'repository',
    owner: 'iqn.2026-01.dev.rootcast:one',
    epoch: 3,
    attachToken: FORMAT,
    attached: true,
    takingOver: false,
    deviceSize: 64 * MIB,
    minimumGeneration: 5,
    createdAt: 1,
    attachedAt: 2,
  };
}

/** Every byte wrong once, in turn; every length too short. */
function damaged(bytes: Buffer, look: (bytes: Buffer) => void): void {
  for (let at = 0; at < bytes.length; at += at < 1024 ? 1 : 61) {
    const wrong = Buffer.from(bytes);
    wrong[at] = (wrong[at] ?? 0) ^ (1 << (at % 8));
    look(wrong);
    look(bytes.subarray(0, at));
  }
}

describe('a superblock', () => {
  it('comes back as it was', () => {
    for (const given of [
      superblock(),
      { ...superblock(), attached: false },
      { ...superblock(), takingOver: true },
    ]) {
      expect(decodeSuperblock(encodeSuperblock(given))).toEqual({
        kind: 'superblock',
        superblock: given,
      });
    }
  });

  it('is foreign or damaged when a bit is wrong', () => {
    damaged(encodeSuperblock(superblock()), (bytes) => {
      expect(decodeSuperblock(bytes).kind).not.toBe('superblock');
    });
  });

  it('is refused when it makes no sense, whatever its checksum says', () => {
    const good = superblock();
    const wrong: Partial<Superblock>[] = [
      { extentSize: 65_537 },
      { extentSize: 32 * KIB },
      { extentCount: 0 },
      { extentCount: 2 ** 24 + 1 },
      { extentCount: good.extentCount + 1000 },
      { deviceSize: 2 ** 53 - 1 },
      { dataStart: good.dataStart + 1 },
      { region: { ...good.region, journalBlocks: 0 } },
      { region: { ...good.region, journalBlocks: 2 ** 31 } },
      { region: { ...good.region, checkpointBytes: 2 ** 40 } },
      { region: { ...good.region, start: 0 } },
      { region: { ...good.region, start: 2 ** 50 } },
    ];
    for (const change of wrong) {
      const bytes = encodeSuperblock({ ...good, ...change });
      expect(decodeSuperblock(bytes).kind, JSON.stringify(change)).toBe('damaged');
    }
  });

  it('of a later format is told from a damaged one', async () => {
    const { crc32 } = await import('node:zlib');
    const bytes = encodeSuperblock(superblock());
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(0, 12);
    bytes.writeUInt32LE(crc32(bytes), 12);
    expect(decodeSuperblock(bytes)).toEqual({ kind: 'version', version: 2 });
  });
});

describe('records', () => {
  it('come back as they were, and not when they are cut', () => {
    fc.assert(
      fc.property(records, (record) => {
        const bytes = Buffer.alloc(recordLength(record) + 9, 0xff);
        const end = encodeRecord(record, bytes, 3);
        expect(decodeRecord(bytes, 3, end)).toEqual({ record, end });
        for (let cut = 3; cut < end; cut++) expect(decodeRecord(bytes, 3, cut)).toBeUndefined();
      }),
      { seed: SEED },
    );
  });

  it('are never an exception or out of bounds, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 700 }),
        fc.integer({ min: 0, max: 8 }),
        (raw, kind) => {
          const bytes = Buffer.from(raw);
          if (bytes.length > 0) bytes[0] = kind;
          if (bytes.length > 3) bytes.writeUInt16LE(bytes.length, 2);
          const found = decodeRecord(bytes, 0, bytes.length);
          if (found === undefined) return;
          const state = new MetadataState(64 * KIB, 100);
          state.apply(found.record); // bounded: no exception, no large map
          for (const volume of state.volumes.values())
            expect(volume.map.room).toBeLessThan(2 ** 25);
        },
      ),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

describe('a journal block', () => {
  const block = (list: readonly MetadataRecord[]): JournalBlock => ({
    generation: 12,
    index: 3,
    previousBlocks: 9,
    stable: { generation: 11, blocks: 4 },
    records: list,
  });

  it('comes back as it was, however the records are spread over blocks', () => {
    fc.assert(
      fc.property(fc.array(records, { maxLength: 60 }), (list) => {
        const blocks = splitIntoBlocks(list);
        const decoded = blocks.map((part) =>
          decodeJournalBlock(encodeJournalBlock(block(part), FORMAT), FORMAT),
        );
        expect(decoded.flatMap((one) => one?.records)).toEqual(list);
        for (const one of decoded) expect(one).toMatchObject({ generation: 12, previousBlocks: 9 });
      }),
      { seed: SEED },
    );
  });

  it('does not count when a bit is wrong, or when it is of another device', () => {
    const map = { kind: 'map' as const, volume: 1, logical: 0, physical: 5, count: 3 };
    const bytes = encodeJournalBlock(block([map, { kind: 'ready', volume: 1 }]), FORMAT);
    expect(decodeJournalBlock(bytes, FORMAT)).toBeDefined();
    expect(decodeJournalBlock(bytes, FORMAT.replace('0', '1'))).toBeUndefined();
    damaged(bytes, (wrong) => expect(decodeJournalBlock(wrong, FORMAT)).toBeUndefined());
  });
});

describe('a checkpoint', () => {
  function state(): MetadataState {
    const made = new MetadataState(64 * KIB, 1000);
    for (const volume of [1, 2, 9]) {
      const entry = {
        id: `${volume}`.padStart(32, '0'),
        name: `n${volume}`,
        tag: `t${volume}`,
        size: 9 * MIB,
      };
      made.apply({ kind: 'create', volume, ...entry, thin: volume === 2, createdAt: 5 });
      if (volume !== 9) made.apply({ kind: 'ready', volume });
    }
    made.apply({ kind: 'map', volume: 1, logical: 0, physical: 100, count: 20 });
    made.apply({ kind: 'map', volume: 2, logical: 5, physical: 120, count: 1 });
    made.apply({ kind: 'map', volume: 2, logical: 6, physical: 122, count: 1 });
    made.apply({ kind: 'unmap', volume: 1, logical: 3, count: 2 });
    made.apply({ kind: 'reserve', volume: 1, size: 10 * MIB });
    return made;
  }
  const geometry = { extentSize: 64 * KIB, extentCount: 1000 };
  const read = (bytes: Buffer) => {
    const head = decodeCheckpointHead(bytes.subarray(0, 4096), FORMAT, MIB);
    if (head === undefined) return undefined;
    return decodeCheckpointBody(bytes.subarray(4096), head, geometry);
  };

  it('comes back as it was', () => {
    const bytes = encodeCheckpoint(state(), 44, FORMAT);
    const decoded = read(bytes);
    if (decoded === undefined) throw new Error('not decoded');
    expect(decoded.contradictions).toEqual([]);
    expect(decoded.state.mappedCount).toBe(20);
    expect(decoded.state.volumes.get(9)?.ready).toBe(false);
    expect(decoded.state.volumes.get(1)?.reserved).toBe(10 * MIB);
    expect(encodeCheckpoint(decoded.state, 44, FORMAT).equals(bytes)).toBe(true);
  });

  it('does not count when a bit is wrong or a byte is missing', () => {
    damaged(encodeCheckpoint(state(), 44, FORMAT), (bytes) => expect(read(bytes)).toBeUndefined());
  });

  it('says what cannot be, instead of showing two volumes one extent', () => {
    const first = state();
    const double = first.apply({ kind: 'map', volume: 2, logical: 0, physical: 101, count: 2 });
    expect(double?.code).toBe('double-extent');
    const beyond = first.apply({ kind: 'map', volume: 2, logical: 0, physical: 999, count: 2 });
    expect(beyond?.code).toBe('beyond-device');
    const long = first.apply({ kind: 'map', volume: 2, logical: 143, physical: 500, count: 2 });
    expect(long?.code).toBe('beyond-volume');
    expect(first.apply({ kind: 'ready', volume: 77 })?.code).toBe('unknown-volume');
  });
});

describe('the layout', () => {
  it('fits on the device and has room for every map, from 2 MiB to a petabyte', () => {
    fc.assert(
      fc.property(fc.double({ min: 21, max: 50, noNaN: true }), (power) => {
        const size = Math.floor(2 ** power / 4096) * 4096;
        const extentSize = defaultExtentSize(size);
        const layout = planLayout(size, extentSize);
        if (layout === undefined) return;
        const { region, dataStart, extentCount } = layout;
        expect(region.start + regionBytes(region)).toBeLessThanOrEqual(dataStart);
        expect(dataStart + extentCount * extentSize).toBeLessThanOrEqual(size);
        expect(extentCount).toBe(extentsOn(size, dataStart, extentSize));
      }),
      { seed: SEED },
    );
  });

  it('wastes little of a large device, and leaves it room to grow', () => {
    const layout = planLayout(64 * TIB, defaultExtentSize(64 * TIB));
    expect(layout?.extentSize).toBe(8 * MIB);
    expect(layout?.dataStart).toBeLessThan(300 * MIB);
    expect(defaultExtentSize(TIB)).toBe(MIB);
    expect(planLayout(64 * TIB, 4 * MIB)?.extentCount).toBeGreaterThan(2 ** 24 - 200);
  });
});

describe('an extent map', () => {
  it('keeps what it had when it grows, and is the same for who has its segments', () => {
    const map = new ExtentMap();
    map.grow(10);
    for (const index of [0, 9, 1023]) map.set(index, index + 1);
    map.grow(5000);
    for (const index of [1024, 2047, 2048, 4095, 4999]) map.set(index, index + 1);
    const other = new ExtentMap(map.segments);
    const set = new Set([0, 9, 1023, 1024, 2047, 2048, 4095, 4999]);
    for (let index = 0; index < 5000; index++) {
      expect(other.get(index)).toBe(set.has(index) ? index + 1 : 0);
    }
    expect(other.get(2 ** 24)).toBe(0);
    const runs: number[][] = [];
    other.forEachRun(5000, (...run) => runs.push(run));
    expect(runs).toEqual([
      [0, 0, 1],
      [9, 9, 1],
      [1023, 1023, 2],
      [2047, 2047, 2],
      [4095, 4095, 1],
      [4999, 4999, 1],
    ]);
  });
});
