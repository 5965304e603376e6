/** kill -9 of a service while a bundle comes: afterwards it has all of the bundle, or knows nothing of it. */
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  contentsOf,
  diskOf,
  showVdisk,
  type TaskAnswer,
  writeVersion,
} from '../support/moving-images.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SIZE = 8 * 2 ** 20;
const CHUNK_RECORD = 4;
const ROUNDS = 5;
const random = seededRandom();

describe(`a bundle that comes while the service is killed (seed ${SEED})`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let from: ServiceProcess;
  let to: ServiceProcess;
  /** Versions 1 to 3. */
  let bundle: Buffer;
  const disks = new Map<number, Buffer>();

  beforeAll(async () => {
    folder = await temporaryFolder('bundle-kill');
    const image = join(folder.path, 'base.img');
    writePatternImage(image, SIZE);
    [from, to] = await Promise.all([ServiceProcess.start(), ServiceProcess.start()]);
    await from.json('vdisk', 'import', image, '--name', 'base');
    for (const tag of [2, 3]) {
      await writeVersion(from, 'base', async (client) => {
        for (let block = tag; block < SIZE / 4096; block += 40) {
          await client.write(patternBlock(block, tag), block * 4096);
        }
      });
    }
    for (const number of [1, 2, 3]) disks.set(number, await diskOf(from, `vdisk/base/${number}`));
    await from.json('bundle', 'export', 'base', join(folder.path, 'all.rcb'));
    bundle = readFileSync(join(folder.path, 'all.rcb'));
  });

  afterAll(async () => {
    await from.remove();
    await to.remove();
    await folder.remove();
  });

  /** Begins to send. @returns how to give it up, and what came of it */
  function send(bytes: Buffer, more: string, length = bundle.length) {
    const request = httpRequest(`${to.http}/v1/bundles${more}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${to.token}`,
        ...{ 'content-type': 'application/octet-stream', 'content-length': String(length) },
      },
    });
    const ended = new Promise<number | undefined>((resolve) => {
      request.once('error', () => resolve(undefined));
      request.once('response', (response) => {
        response.resume();
        response.once('close', () => resolve(response.statusCode));
      });
    });
    const written = new Promise<void>((resolve) => request.write(bytes, () => resolve()));
    if (bytes.length === length) request.end();
    return { ended, written };
  }

  async function restart(): Promise<void> {
    expect(await to.kill()).toBe('SIGKILL');
    to = await ServiceProcess.start({ data: to.data });
  }

  async function expectWhole(name: string): Promise<void> {
    const { versions } = await showVdisk(to, name);
    const layerIds = await to.json<{ versions: readonly { layerId: string }[] }>(
      ...['vdisk', 'show', name],
    );
    for (const { number } of versions) {
      const bytes = await diskOf(to, `vdisk/${name}/${number}`);
      expect(bytes.equals(disks.get(number) ?? Buffer.alloc(0))).toBe(true);
    }
    const known = layerIds.versions.map(({ layerId }) => layerId).sort();
    expect(contentsOf(to)).toEqual({ layers: known, volumes: expect.anything(), uploads: [] });
    expect(to.volumes()).toHaveLength(known.length);
  }

  test('anywhere on its way leaves nothing of it', async () => {
    const records = recordsOf(bundle);
    const middle = (kind: number): number => {
      const { at, size } = records.find((one) => one.kind === kind) ?? { at: 0, size: 0 };
      return at + (size >> 1);
    };
    const [head, firstChanges] = records;
    const firstChunk = records.find(({ kind }) => kind === CHUNK_RECORD);
    const end = records.at(-1);
    const cuts = [0, 5, middle(1), firstChanges?.at ?? 0, middle(2), firstChunk?.at ?? 0];
    cuts.push(middle(CHUNK_RECORD), bundle.length >> 1, end?.at ?? 0, bundle.length - 1);
    expect(head?.kind).toBe(1);
    expect(cuts).toEqual(cuts.toSorted((one, other) => one - other));
    for (const cut of cuts) {
      const { written, ended } = send(bundle.subarray(0, cut), '');
      await written;
      // Once versions are begun they are on the disk.
      if (cut > middle(CHUNK_RECORD)) {
        await expect.poll(() => contentsOf(to).layers.length).toBe(3);
      }
      await restart();
      expect(await ended).toBeUndefined();
      expect(contentsOf(to)).toEqual({ volumes: [], layers: [], uploads: [] });
      expect(await to.json('vdisk', 'list')).toEqual([]);
    }
    const tasks = await to.json<readonly TaskAnswer[]>('task', 'list');
    expect(tasks.filter(({ state }) => state === 'running')).toEqual([]);
    expect(tasks.some(({ state }) => state === 'failed')).toBe(true);
  });

  test('at any moment of an update leaves the old state or the new one', async () => {
    const first = join(folder.path, 'first.rcb');
    await from.json('bundle', 'export', 'base', first, '--versions', '1');
    await to.json('bundle', 'import', first);
    for (let round = 0; round < ROUNDS; round += 1) {
      const { ended } = send(bundle, '?update=true');
      await new Promise((resolve) => setTimeout(resolve, random() * 400));
      await restart();
      const status = await ended;
      const numbers = (await showVdisk(to, 'base')).versions.map(({ number }) => number);
      // What was acknowledged is there.
      if (status === 200 || numbers.length > 1) expect(numbers).toEqual([1, 2, 3]);
      else expect(numbers).toEqual([1]);
      await expectWhole('base');
      if (numbers.length === 1) continue;
      for (const number of ['3', '2']) {
        await to.cli('version', 'demote', 'base', number);
        expect(await to.cli('version', 'delete', 'base', number)).toMatchObject({ code: 0 });
      }
      await expect.poll(() => contentsOf(to).layers.length).toBe(1);
    }
    const { ended } = send(bundle, '?update=true');
    expect(await ended).toBe(200);
    await expectWhole('base');
  });
});

/** docs/BUNDLE.md */
function recordsOf(bytes: Buffer): { kind: number; at: number; size: number }[] {
  const records: { kind: number; at: number; size: number }[] = [];
  for (let at = 12; at < bytes.length; ) {
    const size = 9 + bytes.readUInt32BE(at + 1);
    records.push({ kind: bytes.readUInt8(at), at, size });
    at += size;
  }
  return records;
}
