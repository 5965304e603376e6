/** What an orderly stop leaves on disk, and what a start does with a machine whose overlay is broken. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { mapGeometry } from '../../src/vdisk/overlay/map-layout.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SIZE = 256 * 4096;

describe('a service that stops and starts', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;

  beforeAll(async () => {
    folder = await temporaryFolder('stop-and-start');
    const image = join(folder.path, 'disk.raw');
    writePatternImage(image, SIZE);
    service = await ServiceProcess.start({ arguments: ['--workers', '2'] });
    await service.json('vdisk', 'import', image, '--name', 'v');
    for (const [i, name] of ['whole', 'broken'].entries()) {
      const mac = `52:54:00:00:00:0${i}`;
      await service.json(
        'machine',
        'add',
        name,
        '--mac',
        mac,
        '--vdisk',
        'v',
        '--cache',
        'server-persistent',
      );
      const client = await connectNbd(service.uri(`machine/${name}`));
      await client.write(patternBlock(5, 2), 5 * 4096); // no flush, no FUA
      await client.disconnect();
    }
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  const maps = (): string[] =>
    readdirSync(join(service.data, 'repository'))
      .filter((name) => name.endsWith('.map.volume'))
      .map((name) => join(service.data, 'repository', name));

  test('everything acknowledged is durable after SIGTERM, flushed or not', async () => {
    expect(await service.stop()).toBe(0);
    const { liveOffset, durableOffset, mapBytes, totalBytes } = mapGeometry(SIZE);
    expect(maps()).toHaveLength(2);
    for (const path of maps()) {
      const bytes = readFileSync(path);
      expect(bytes.length).toBe(totalBytes);
      const live = bytes.subarray(liveOffset, liveOffset + mapBytes);
      expect(live[0]).toBe(1 << 5);
      expect(bytes.subarray(durableOffset, durableOffset + mapBytes).equals(live)).toBe(true);
    }
  });

  test('one broken overlay keeps no other machine from its disk', async () => {
    const [first = ''] = maps();
    const bytes = readFileSync(first);
    bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30); // the size in the header
    writeFileSync(first, bytes);
    service = await ServiceProcess.start({ data: service.data, arguments: ['--workers', '2'] });
    expect(service.stderr).toMatch(/opening the write cache/);
    const results = await Promise.allSettled(
      ['whole', 'broken'].map(async (name) => {
        const client = await connectNbd(service.uri(`machine/${name}`));
        const got = Buffer.alloc(4096);
        await client.read(got, 5 * 4096);
        await client.disconnect();
        return got.equals(patternBlock(5, 2));
      }),
    );
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.some((result) => result.status === 'fulfilled' && result.value)).toBe(true);
  });
});
