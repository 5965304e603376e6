/** A bundle between servers with real layers and volumes. */

import { createReadStream } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  ChunkInventory,
  decodeInventory,
  encodeChunkRequest,
  encodeInventory,
  readBundle,
  readChunkRequest,
  type WriteBundleOptions,
  writeBundle,
  writeChunks,
} from '../../../../src/vdisk/bundle/index.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { type LocalLayer, LocalServer } from './local-server.ts';
import { chunks, collect, MemoryServer, pieces, sourceOf } from './memory-server.ts';
import type { MemoryVersion } from './memory-version.ts';

const signal = new AbortController().signal;
const progress = (): void => undefined;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let origin: MemoryServer;
let first: LocalServer;
let second: LocalServer;
let versions: MemoryVersion[];
beforeEach(async () => {
  folder = await temporaryFolder('local-bundle');
  origin = await MemoryServer.create();
  first = await LocalServer.create(join(folder.path, 'first'));
  second = await LocalServer.create(join(folder.path, 'second'));
  const one = await origin.make(chunks(40, 512), undefined, [
    [0, 1],
    [1, 2],
    [9, 3],
    [20, 1],
    [39, 4],
  ]);
  const two = await origin.make(one.size, one, [
    [0, 0],
    [2, 5],
    [20, 7],
  ]);
  const three = await origin.make(chunks(50), two, [
    [39, 4],
    [41, 1],
    [49, 10],
  ]);
  versions = [one, two, three];
});
afterEach(async () => {
  await first.close();
  await second.close();
  await origin.close();
  await folder.remove();
});

async function receive(
  server: LocalServer,
  stream: AsyncIterable<Buffer>,
  ask?: LocalServer,
): Promise<readonly LocalLayer[]> {
  const received = await readBundle(stream, server, {
    temporaryFolder: server.temporaryFolder,
    signal,
    progress,
    ...(ask === undefined
      ? {}
      : {
          fetchChunks: (hashes) => {
            const wanted = readChunkRequest(encodeChunkRequest(hashes));
            return writeChunks((hash) => ask.localChunk(hash), wanted, { signal });
          },
        }),
  });
  const made = received.versions.flatMap((version) =>
    version.kind === 'made' ? [version.sink] : [],
  );
  await server.commit(made);
  return made;
}

/** What a server sends of the layers it has received. */
function send(server: LocalServer, options: Partial<WriteBundleOptions>): AsyncIterable<Buffer> {
  const source = sourceOf(versions);
  const all = source.versions.map((version, index) => {
    const layer = server.layers[index];
    if (layer === undefined) throw new Error(`no layer ${index}`);
    return {
      ...version,
      manifestPath: layer.manifestPath,
      openDevice: async () => layer.open(),
    };
  });
  const { temporaryFolder: temporary } = server;
  return writeBundle(
    { ...source, versions: all },
    {
      temporaryFolder: temporary,
      signal,
      progress,
      ...options,
    },
  );
}

async function expectAll(layers: readonly LocalLayer[]): Promise<void> {
  expect(layers.map(({ contentId }) => contentId)).toEqual(
    versions.map((version) => version.contentId()),
  );
  for (const [index, layer] of layers.entries()) {
    const disk = Buffer.alloc(layer.size);
    await versions[index]?.open().read(disk, 0);
    expect((await layer.disk()).equals(disk)).toBe(true);
  }
}

it('arrives in layers, goes on from them, and gets back only what lacks', async () => {
  await expectAll(await receive(first, origin.write(sourceOf(versions))));
  expect(first.layers.map(({ owned }) => owned)).toEqual([
    [0, 1, 9, 20, 39],
    [2, 20],
    [39, 41, 49],
  ]);
  // By way of a file, to a server that has the first version, and has told so in a file.
  await receive(second, origin.write(sourceOf(versions.slice(0, 1))));
  const contentIds = second.layers.map(({ contentId }) => contentId);
  const known = decodeInventory(encodeInventory(contentIds));
  const inventory = await ChunkInventory.create(join(folder.path, 'known'));
  for (const layer of first.layers) {
    if (known.has(layer.contentId)) await inventory.add(layer.id, layer.manifestPath);
  }
  const file = join(folder.path, 'bundle');
  const lacks = (hash: Buffer) => !inventory.has(hash);
  await writeFile(file, await collect(send(first, { receiverHas: known, lacks })));
  await inventory.close();
  await receive(second, createReadStream(file));
  await expectAll(second.layers);
  expect(await second.everything()).toEqual([
    'layer-1',
    'layer-2',
    'layer-3',
    'layer-1',
    'layer-2',
    'layer-3',
  ]);
  for (const [index, layer] of second.layers.entries()) {
    const theirs = first.layers[index]?.manifestPath ?? '';
    expect(await readFile(layer.manifestPath)).toEqual(await readFile(theirs));
  }
});

it('arrives online, with the chunks asked for', async () => {
  await receive(first, origin.write(sourceOf(versions)));
  const made = await receive(second, send(first, { chunks: 'none' }), first);
  await expectAll(made);
});

it('leaves no layer, no volume and no file wherever it is cut off', async () => {
  const bundle = await collect(origin.write(sourceOf(versions)));
  for (let length = 0; length < bundle.length; length += Math.floor(bundle.length / 60)) {
    await expect(receive(second, pieces(bundle.subarray(0, length), 65_536))).rejects.toThrow(
      /cut off/,
    );
    expect(await second.everything()).toEqual([]);
  }
  expect(await readdir(second.temporaryFolder)).toEqual([]);
});
