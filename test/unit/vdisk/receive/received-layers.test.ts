/** Versions that come in a bundle are layers afterwards: as good as those that were made here. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FaultyDevice, PLAIN } from '../../../../src/block/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import type { BundleBootFiles } from '../../../../src/vdisk/bundle/index.ts';
import { layerFiles } from '../../../../src/vdisk/layers/index.ts';
import { type BenchVersion, type LayerBench, memoryBench } from '../../../support/layer-bench.ts';
import type { MemoryRepository } from '../../../support/memory-repository.ts';
import { SEED } from '../../../support/seed.ts';
import { coloured } from '../bundle/chunk-colours.ts';
import { contentIdOf, Receiver, type SentVersion, send, topId } from './receiving-bench.ts';

const CHUNK = 64 * 1024;

let from: LayerBench;
let to: LayerBench;
let memory: MemoryRepository;
let receiver: Receiver;
beforeEach(fresh);
afterEach(finish);

async function fresh(): Promise<void> {
  from = (await memoryBench()).bench;
  ({ bench: to, memory } = await memoryBench());
  receiver = new Receiver(to);
}

async function finish(): Promise<void> {
  await receiver.close();
  expect(memory.open).toBe(0);
  await from.close();
  await to.close();
}

/** A disk of these colours, 64 KiB each; 0 is a hole. */
const disk = (colours: readonly number[]): Buffer =>
  Buffer.concat(colours.map((colour) => coloured(colour)));

/** What a machine makes of a version: chunks of other colours. */
async function derive(
  parent: BenchVersion,
  changes: Readonly<Record<number, number>>,
  size = parent.content.length,
): Promise<BenchVersion> {
  const overlay = await from.overlay(parent, size);
  const content = Buffer.concat([parent.content, Buffer.alloc(size - parent.content.length)]);
  for (const [chunk, colour] of Object.entries(changes)) {
    const offset = Number(chunk) * CHUNK;
    const bytes = coloured(colour, Math.min(CHUNK, size - offset));
    await overlay.device.write(bytes, offset, PLAIN);
    bytes.copy(content, offset);
  }
  return from.seal(overlay, content);
}

/** Every version of the bundle is on the other server, and right in every respect. */
async function expectReceived(sent: readonly SentVersion[]): Promise<void> {
  for (const [index, { version }] of sent.entries()) {
    const chain = receiver.begun[index]?.chain();
    if (chain === undefined) throw new Error(`version ${index} was not begun`);
    const received = { chain, content: version.content, contentId: version.contentId };
    for (const bytes of await to.readBothWays(received)) {
      expect(bytes.equals(version.content)).toBe(true);
    }
    expect(await contentIdOf(to, chain)).toBe(version.contentId);
    expect(await to.verify(chain)).toEqual([]);
  }
}

describe('a bundle that is received', () => {
  it('becomes a base, and differences of whole chunks', async () => {
    const one = await from.import(disk([1, 2, 3, 0, 4]));
    const two = await derive(one, { 1: 5, 3: 6 });
    const three = await derive(two, { 0: 0, 4: 7 });
    const sent = [
      { version: one, parent: undefined },
      { version: two, parent: 0 },
      { version: three, parent: 1 },
    ];
    await receiver.read(send(from, sent));
    await expectReceived(sent);
    const [base, second, third] = receiver.begun.map((layer) => layer.finished());
    expect(base).toMatchObject({ parentId: undefined, dataBytes: 4 * CHUNK, ownBytes: 4 * CHUNK });
    expect(second).toMatchObject({ parentId: base?.layerId, ownBytes: 2 * CHUNK });
    expect(third).toMatchObject({ parentId: second?.layerId, ownBytes: CHUNK });
    expect(third).toMatchObject({ dataBytes: 4 * CHUNK, size: 5 * CHUNK });
  });

  it('ends where the disk ends, in the middle of a chunk and of a block', async () => {
    const odd = 3 * CHUNK + 5 * 4096 + 512;
    const one = await from.import(disk([1, 2, 3, 4]).subarray(0, odd));
    const two = await derive(one, { 3: 6 });
    const larger = await derive(two, { 4: 7 }, 5 * CHUNK + 1024);
    const sent = [
      { version: one, parent: undefined },
      { version: two, parent: 0 },
      { version: larger, parent: 1 },
    ];
    await receiver.read(send(from, sent));
    await expectReceived(sent);
  });

  it('stands on what is here already', async () => {
    const one = await from.import(disk([1, 2, 3]));
    const two = await derive(one, { 1: 5 });
    const here = await to.import(disk([1, 2, 3]));
    receiver = new Receiver(to, [here]);
    const sent = [
      { version: one, parent: undefined },
      { version: two, parent: 0 },
    ];
    await receiver.read(send(from, sent, new Set([one.contentId])));
    expect(receiver.begun).toHaveLength(1);
    expect(receiver.begun[0]?.finished().parentId).toBe(topId(here.chain));
    await expectReceived([{ version: two, parent: undefined }]);
  });

  it('is merged where the chain grows too deep', async () => {
    receiver.depthMax = 3;
    const sent: SentVersion[] = [
      { version: await from.import(disk([1, 2, 3, 4, 5, 6])), parent: undefined },
    ];
    for (let number = 1; number < 7; number += 1) {
      const parent = sent[number - 1];
      if (parent === undefined) throw new Error('no parent');
      const version = await derive(parent.version, { [number - 1]: 10 + number, 5: number });
      sent.push({ version, parent: number - 1 });
    }
    await receiver.read(send(from, sent));
    await expectReceived(sent);
    expect(receiver.begun.map((layer) => layer.chain().length)).toEqual([1, 2, 3, 2, 3, 2, 3]);
    const kept = new Set(receiver.begun.map((layer) => layer.finished().layerId));
    expect(new Set(await to.folders())).toEqual(kept);
    expect(new Set(memory.devices.keys())).toEqual(kept);
  });

  it('carries kernel and initrd of a version', async () => {
    const bootFiles: BundleBootFiles & { kernel: string; initrd: string } = {
      kernel: join(from.layersFolder, 'a kernel'),
      initrd: join(from.layersFolder, 'an initrd'),
      ...{ kernelVersion: '6.1', rootPartition: 'p1', rootFilesystem: 'ext4' },
      ...{ rootUuid: undefined, initramfs: 'dracut', reason: undefined, given: true },
    };
    for (const path of [bootFiles.kernel, bootFiles.initrd]) await writeFile(path, path);
    const version = await from.import(disk([1]));
    await receiver.read(send(from, [{ version, parent: undefined, bootFiles }]));
    const { boot } = layerFiles(to.layersFolder, receiver.begun[0]?.finished().layerId ?? '');
    expect(await readdir(boot)).toEqual(['initrd', 'vmlinuz']);
    expect(await readFile(join(boot, 'vmlinuz'), 'utf8')).toBe(bootFiles.kernel);
    expect(await readFile(join(boot, 'initrd'), 'utf8')).toBe(bootFiles.initrd);
  });

  it('is a tree of any shape', async () => {
    await finish(); // the property has its own
    const colours = fc.array(fc.nat(6), { minLength: 1, maxLength: 9 });
    const change = fc.dictionary(fc.nat(8).map(String), fc.nat(9), { maxKeys: 5 });
    const later = fc.record({ parent: fc.nat(), change, grow: fc.nat(3) });
    const everything = fc.record({
      colours,
      later: fc.array(later, { maxLength: 6 }),
      depthMax: fc.integer({ min: 2, max: 4 }),
      here: fc.boolean(),
    });
    const property = fc.asyncProperty(everything, async (given) => {
      await fresh();
      receiver.depthMax = given.depthMax;
      const base = await from.import(disk(given.colours));
      const sent: SentVersion[] = [{ version: base, parent: undefined }];
      for (const { parent, change: changes, grow } of given.later) {
        const at = parent % sent.length;
        const below = sent[at]?.version ?? base;
        const size = below.content.length + grow * 512;
        const inside = Object.entries(changes).filter(([chunk]) => Number(chunk) * CHUNK < size);
        const version = await derive(below, Object.fromEntries(inside), size);
        // Equal contents are one version.
        if (sent.some((one) => one.version.contentId === version.contentId)) continue;
        sent.push({ version, parent: at });
      }
      await receiver.read(send(from, sent));
      await expectReceived(sent);
      for (const layer of receiver.begun) {
        expect(layer.chain().length).toBeLessThanOrEqual(given.depthMax);
      }
      await finish();
    });
    await fc.assert(property, { seed: SEED, numRuns: 25 });
    await fresh();
  });
});

describe('nothing stays', () => {
  let sent: SentVersion[];
  let bundle: Buffer;
  beforeEach(async () => {
    const one = await from.import(disk([1, 2, 3]));
    const two = await derive(one, { 1: 5 });
    sent = [
      { version: one, parent: undefined },
      { version: two, parent: 0 },
    ];
    const pieces: Buffer[] = [];
    for await (const piece of send(from, sent)) pieces.push(piece);
    bundle = Buffer.concat(pieces);
  });

  async function expectNothing(): Promise<void> {
    expect(await to.folders()).toEqual([]);
    expect([...memory.devices.keys()]).toEqual([]);
  }

  it('of a bundle that is cut off, wherever it is', async () => {
    for (let end = 0; end < bundle.length; end += Math.ceil(bundle.length / 40)) {
      await expect(receiver.read(piecesOf(bundle.subarray(0, end)))).rejects.toBeInstanceOf(Fault);
      await expectNothing();
    }
  });

  it('when a volume cannot be made', async () => {
    let made = 0;
    const { make } = memory;
    memory.make = (size) => {
      made += 1;
      if (made === 2) throw new Fault('NO_SPACE', 'no space for a volume');
      return make(size);
    };
    await expect(receiver.read(piecesOf(bundle))).rejects.toMatchObject({ code: 'NO_SPACE' });
    await expectNothing();
  });

  it.each(['write', 'flush'] as const)('when a volume fails to %s', async (operation) => {
    memory.wrap = (device) =>
      new FaultyDevice(device, (request) =>
        request.operation === operation ? { errno: 'ENOSPC' } : undefined,
      );
    await expect(receiver.read(piecesOf(bundle))).rejects.toMatchObject({ code: 'NO_SPACE' });
    memory.wrap = (device) => device;
    await expectNothing();
  });

  it('when versions that had finished are abandoned', async () => {
    receiver.depthMax = 2;
    await receiver.read(piecesOf(bundle));
    for (const layer of receiver.begun.toReversed()) await layer.abandon();
    await expectNothing();
  });

  it('of a disk of a size that it cannot have here', async () => {
    const unsupported = { code: 'IMAGE_UNSUPPORTED', details: { field: 'version.size' } };
    await expect(receiver.beginVersion({ size: 1000 }, undefined)).rejects.toMatchObject(
      unsupported,
    );
    const base = await receiver.beginVersion({ size: 2 * CHUNK }, undefined);
    await expect(receiver.beginVersion({ size: CHUNK }, base)).rejects.toMatchObject(unsupported);
    await base.abandon();
    await expectNothing();
  });
});

async function* piecesOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000);
}
