/** A vDisk goes from one real service to another: as a file, and over the line between them. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CountingLine,
  contentsOf,
  diskOf,
  type ReceivedAnswer,
  showVdisk,
  type TaskAnswer,
  writeVersion,
} from '../support/moving-images.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CHUNK = 64 * 1024;
const SIZE = 12 * 2 ** 20 + 3 * 4096;
/** Distinct chunks of the pattern image: none is all holes, and each block is another one. */
const BASE_CHUNKS = Math.ceil(SIZE / CHUNK);

let from: ServiceProcess;
let to: ServiceProcess;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const at = (name: string): string => join(folder.path, name);

beforeAll(async () => {
  folder = await temporaryFolder('bundles');
  writePatternImage(at('base.img'), SIZE);
  writeFileSync(at('vmlinuz'), 'a kernel that was given by hand');
  [from, to] = await Promise.all([ServiceProcess.start(), ServiceProcess.start()]);
  const kernel = ['--kernel', at('vmlinuz'), '--kernel-arguments', 'quiet'];
  await from.json('vdisk', 'import', at('base.img'), '--name', 'base', ...kernel);
  await writeVersion(from, 'base', async (client) => {
    for (const block of [3, 700]) await client.write(patternBlock(block, 9), block * 4096);
    await client.zero(20 * CHUNK, 2 * CHUNK);
  });
});

afterAll(async () => {
  await from.remove();
  await to.remove();
  await folder.remove();
});

/** The versions of the vDisk are the same on both, to the byte. */
async function expectSame(name: string, there: string = name): Promise<void> {
  const [mine, theirs] = await Promise.all([showVdisk(from, name), showVdisk(to, there)]);
  const facts = (vdisk: typeof mine) =>
    vdisk.versions.map(({ number, state, contentId, parent, kernel }) => [
      ...[number, state, contentId, parent, kernel],
    ]);
  expect(facts(theirs)).toEqual(facts(mine));
  for (const { number } of mine.versions) {
    const bytes = await diskOf(from, `vdisk/${name}/${number}`);
    expect((await diskOf(to, `vdisk/${there}/${number}`)).equals(bytes)).toBe(true);
  }
  expect(await to.cli('vdisk', 'verify', there)).toMatchObject({ code: 0 });
}

/** Nothing that the catalog of the receiver does not know. */
async function expectTidy(): Promise<void> {
  const { layers, volumes, uploads } = contentsOf(to);
  expect(uploads).toEqual([]);
  expect(layers.filter((name) => name.includes('.'))).toEqual([]);
  const vdisks = await to.json<readonly { name: string }[]>('vdisk', 'list');
  const known = new Set<string>();
  for (const { name } of vdisks) {
    const { versions } = await to.json<{ versions: readonly { layerId: string }[] }>(
      ...['vdisk', 'show', name],
    );
    for (const { layerId } of versions) known.add(layerId);
  }
  expect(new Set(layers)).toEqual(known);
  expect(volumes).toHaveLength(known.size);
}

describe('a bundle in a file', () => {
  test('says what it holds', async () => {
    const written = await from.json<{ length: number }>('bundle', 'export', 'base', at('base.rcb'));
    expect(statSync(at('base.rcb'))).toMatchObject({ size: written.length });
    expect(statSync(at('base.rcb')).mode & 0o777).toBe(0o600);
    for (const where of [[], ['--on-server']]) {
      const shown = await to.json('bundle', 'show', at('base.rcb'), ...where);
      expect(shown).toMatchObject({
        name: 'base',
        versions: [
          { number: 1, state: 'production', parent: null, sent: true, here: false },
          { number: 2, state: 'production', parent: 1, sent: true, here: false },
        ],
      });
    }
  });

  test('is answered while it is still being sent, and the answer arrives', async () => {
    const rest = Buffer.alloc(30 * 2 ** 20, 'neither packed nor read ');
    writeFileSync(at('long.rcb'), Buffer.concat([readFileSync(at('base.rcb')), rest]));
    writeFileSync(at('none.rcb'), rest);
    for (let round = 0; round < 3; round += 1) {
      expect(await to.json('bundle', 'show', at('long.rcb'))).toMatchObject({ name: 'base' });
      const refused = await to.cli('bundle', 'import', at('none.rcb'));
      expect(refused.stderr).toContain('IMAGE_INVALID');
    }
  });

  test('is the same vDisk on the other server', async () => {
    const received = await to.json<ReceivedAnswer>('bundle', 'import', at('base.rcb'));
    expect(received).toMatchObject({ added: [1, 2], present: [], chunksLocal: 0 });
    expect(received.chunksReceived).toBe(BASE_CHUNKS + 2);
    expect(received.bytesReceived).toBe(statSync(at('base.rcb')).size);
    await expectSame('base');
    await expectTidy();
    const [one, two] = (await showVdisk(to, 'base')).versions;
    expect(one).toMatchObject({ depth: 1, kernel: 'vmlinuz' });
    expect(two).toMatchObject({ depth: 2, ownBytes: 2 * CHUNK, kernel: 'vmlinuz' });
  });

  test('boots with the kernel that was given by hand, also what is made of it here', async () => {
    await to.json('bundle', 'import', at('base.rcb'), '--name', 'copy');
    const number = await writeVersion(to, 'copy', (client) =>
      client.write(patternBlock(1, 5), 4096),
    );
    expect(number).toBe(3);
    const { versions } = await to.json<{
      versions: readonly { layerId: string; kernel: string; kernelArguments: string }[];
    }>('vdisk', 'show', 'copy');
    expect(versions[2]).toMatchObject({ kernel: 'vmlinuz', kernelArguments: 'quiet' });
    for (const { layerId } of versions) {
      const path = join(to.data, 'layers', layerId, 'boot', 'vmlinuz');
      expect(readFileSync(path, 'utf8')).toBe('a kernel that was given by hand');
    }
    await to.json('vdisk', 'delete', 'copy');
    await expectTidy();
  });

  test('is refused for a name that is there, and passed over where it is an update', async () => {
    const refused = await to.cli('bundle', 'import', at('base.rcb'));
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('ALREADY_EXISTS');
    const line = ['bundle', 'import', at('base.rcb'), '--update'];
    const again = await to.json<ReceivedAnswer>(...line);
    expect(again).toMatchObject({ added: [], present: [1, 2] });
    await expectTidy();
  });

  test('leaves out what the other side has, which is then needed there', async () => {
    const { stdout } = await to.cli('bundle', 'inventory');
    writeFileSync(at('there.json'), stdout);
    await from.json('bundle', 'export', 'base', at('small.rcb'), '--has', at('there.json'));
    expect(statSync(at('small.rcb')).size).toBeLessThan(2000);
    await to.json('bundle', 'import', at('small.rcb'), '--name', 'copy');
    await expectSame('base', 'copy');
    await to.json('vdisk', 'delete', 'copy');
    await expectTidy();
    const elsewhere = await ServiceProcess.start();
    const refused = await elsewhere.cli('bundle', 'import', at('small.rcb'));
    expect(refused.stderr).toContain('not on this server');
    expect(contentsOf(elsewhere)).toEqual({ volumes: [], layers: [], uploads: [] });
    await elsewhere.remove();
  });

  test('goes from server to server through files of theirs as well', async () => {
    await from.json('bundle', 'export', 'base', at('there.rcb'), '--on-server', '--versions', '2');
    const line = ['bundle', 'import', at('there.rcb'), '--on-server', '--name', 'second'];
    const received = await to.json<ReceivedAnswer>(...line);
    expect(received.added).toEqual([2]);
    const [version] = (await showVdisk(to, 'second')).versions;
    const [, second] = (await showVdisk(from, 'base')).versions;
    expect(version).toMatchObject({ contentId: second?.contentId, parent: null });
    // It is a layer that was here.
    expect(received.chunksReceived).toBeGreaterThan(100);
    await to.json('vdisk', 'delete', 'second');
    await expectTidy();
  });

  test('that is damaged anywhere is refused, and nothing of it stays', async () => {
    const bytes = readFileSync(at('base.rcb'));
    const before = contentsOf(to);
    for (const place of [4, 100, 3000, bytes.length >> 1, bytes.length - 1]) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8(damaged.readUInt8(place) ^ 0x10, place);
      writeFileSync(at('damaged.rcb'), damaged);
      const line = ['bundle', 'import', at('damaged.rcb'), '--name', 'damaged'];
      const refused = await to.cli(...line);
      expect(refused).toMatchObject({ code: 1 });
      expect(refused.stderr).toMatch(/IMAGE_INVALID/);
      expect(contentsOf(to)).toEqual(before);
    }
  });

  test('of which the sender vanishes in the middle leaves nothing', async () => {
    const bytes = readFileSync(at('base.rcb'));
    const empty = await ServiceProcess.start();
    const request = httpRequest(`${empty.http}/v1/bundles`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${empty.token}`,
        ...{ 'content-type': 'application/octet-stream', 'content-length': String(bytes.length) },
      },
    });
    request.on('error', () => undefined);
    request.write(bytes.subarray(0, bytes.length / 2));
    await expect.poll(() => contentsOf(empty).layers.length).toBe(2);
    const tasks = () => empty.json<readonly TaskAnswer[]>('task', 'list');
    expect(await tasks()).toMatchObject([{ kind: 'bundle.import', state: 'running' }]);
    request.destroy();
    await expect.poll(async () => (await tasks())[0]?.state).toBe('cancelled');
    expect(contentsOf(empty)).toEqual({ volumes: [], layers: [], uploads: [] });
    await empty.remove();
  });
});

describe('a pull', () => {
  let line: CountingLine;
  beforeAll(async () => {
    line = await CountingLine.open(from.http);
  });
  afterAll(() => line.close());

  const pull = (...more: string[]) =>
    to.json<ReceivedAnswer>(
      ...['bundle', 'pull', line.url, 'base', '--token', from.token, ...more],
    );

  test('brings only the chunks that are lacking', async () => {
    const third = await writeVersion(from, 'base', async (client) => {
      // Four new chunks, one of them twice.
      for (const chunk of [5, 6, 7, 8, 9]) {
        const block = chunk === 9 ? 100_008 : 100_000 + chunk;
        const bytes = Buffer.concat(
          Array.from({ length: 16 }, () => patternBlock(block === 100_008 ? 100_008 : block, 77)),
        );
        await client.write(bytes, chunk * CHUNK);
      }
      // One that another place has, and one of zeroes.
      const other = Buffer.alloc(CHUNK);
      await client.read(other, 40 * CHUNK);
      await client.write(other, 10 * CHUNK);
      await client.zero(11 * CHUNK, CHUNK);
    });
    const received = await pull('--update');
    expect(received).toMatchObject({
      ...{ added: [third], present: [1, 2] },
      ...{ chunksReceived: 4, chunksLocal: 1 },
    });
    expect(line.asked).toEqual([4]);
    expect(received.bytesReceived).toBe(line.bytes);
    expect(line.bytes).toBeLessThan(4 * CHUNK + 4000);
    await expectSame('base');
    await expectTidy();
  });

  test('with nothing new asks for no chunk', async () => {
    line.asked.length = 0;
    expect(await pull('--update')).toMatchObject({ added: [], present: [1, 2, 3] });
    expect(line.asked).toEqual([]);
  });

  test('onto a server that has nothing brings every chunk once', async () => {
    const empty = await ServiceProcess.start();
    line.asked.length = 0;
    const received = await empty.json<ReceivedAnswer>(
      ...['bundle', 'pull', line.url, 'base', '--token', from.token, '--name', 'mine'],
    );
    expect(received.added).toEqual([1, 2, 3]);
    const total = line.asked.reduce((sum, count) => sum + count, 0);
    expect(total).toBe(BASE_CHUNKS + 2 + 4);
    expect(received.chunksReceived).toBe(total);
    const bytes = await diskOf(from, 'vdisk/base/3');
    expect((await diskOf(empty, 'vdisk/mine/3')).equals(bytes)).toBe(true);
    await empty.remove();
  });

  test('goes on where the line broke', async () => {
    const empty = await ServiceProcess.start();
    line.asked.length = 0;
    line.breakAfter.push(100_000, 100_000);
    const received = await empty.json<ReceivedAnswer>(
      ...['bundle', 'pull', line.url, 'base', '--token', from.token, '--versions', '1'],
    );
    expect(received.chunksReceived).toBe(BASE_CHUNKS);
    expect(line.asked).toHaveLength(3);
    const [first = 0, second = 0, third = 0] = line.asked;
    expect(first).toBe(BASE_CHUNKS);
    expect(second).toBeLessThan(first);
    expect(third).toBeLessThan(second);
    const bytes = await diskOf(from, 'vdisk/base/1');
    expect((await diskOf(empty, 'vdisk/base/1')).equals(bytes)).toBe(true);
    await empty.remove();
  });

  test('keeps the token secret, and says what the other server refuses', async () => {
    const wrong = await to.cli('bundle', 'pull', line.url, 'base', '--token', 'wrong', '--update');
    expect(wrong.stderr).toContain('does not take this token');
    const line2 = ['bundle', 'pull', line.url, 'nobody', '--token', from.token];
    const nobody = await to.cli(...line2);
    expect(nobody.stderr).toContain('there is no vDisk nobody');
    const gone = await to.cli('bundle', 'pull', 'http://127.0.0.1:1', 'x', '--token', 'wrong');
    expect(gone.stderr).toContain('cannot be reached');
    const said = JSON.stringify([
      await to.json('task', 'list'),
      await to.json('events'),
      readFileSync(join(to.data, 'catalog.sqlite'), 'latin1'),
      readFileSync(join(to.data, 'catalog.sqlite-wal'), 'latin1'),
      to.stderr,
      from.stderr,
    ]);
    expect(said).not.toContain(from.token);
    expect(said).toContain('bundle.pull');
    await expectTidy();
  });

  test('is seen by the one that sends, with who asked for it', async () => {
    const events = await from.json<readonly { kind: string; actor: string }[]>('events');
    const sent = events.filter(({ kind }) => kind === 'bundle.exported');
    const others = sent.filter(({ actor }) => /127\.0\.0\.1 \(says server .+\)$/.test(actor));
    expect(others.length).toBeGreaterThan(2);
  });
});
