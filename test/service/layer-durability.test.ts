/**
 * What the catalog says of a layer is true also after the death of the host: everything of it is on stable
 * storage before the catalog names it. Seen from outside: the service runs under strace.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { describeWith, program } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CALLS = 'trace=fdatasync,fsync,rename,pwrite64';
const BLOCK = 4096;
/** An SQLite page as a whole, where a layer's name may be anywhere. */
const SHOWN_BYTES = 4096;

interface Version {
  readonly layerId: string;
}

interface Call {
  readonly name: string;
  /** As strace writes them: descriptors with their paths. */
  readonly given: string;
  /** Lines of the trace at which it began and had succeeded. */
  readonly from: number;
  readonly to: number;
}

/** Calls that succeeded, also those that others interrupted. */
function callsOf(trace: string): readonly Call[] {
  const open = new Map<string, Omit<Call, 'to'>>();
  const calls: Call[] = [];
  for (const [at, line] of trace.split('\n').entries()) {
    const begun = /^(\d+) +(\w+)\((.*)$/.exec(line);
    const resumed = /^(\d+) +<\.\.\. (\w+) resumed>.* = \d+$/.exec(line);
    if (begun !== null) {
      const [, thread = '', name = '', given = ''] = begun;
      if (given.endsWith('<unfinished ...>')) open.set(thread, { name, given, from: at });
      else if (/ = \d+$/.test(given)) calls.push({ name, given, from: at, to: at });
    } else if (resumed !== null) {
      const call = open.get(resumed[1] ?? '');
      if (call !== undefined && call.name === resumed[2]) calls.push({ ...call, to: at });
    }
  }
  return calls;
}

/** What was synced for good, in time: after everything that was written to it. */
function isDurable(calls: readonly Call[], path: string, before: number): boolean {
  const ofPath = calls.filter(({ given, to }) => given.includes(`<${path}>`) && to < before);
  const written = Math.max(-1, ...ofPath.filter((c) => c.name === 'pwrite64').map((c) => c.to));
  return ofPath.some(({ name, from }) => /sync$/.test(name) && from > written);
}

describeWith([program('strace', 'strace')], 'everything of a layer is durable', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: string;
  let calls: readonly Call[];
  let sealed: string;
  let merged: string;
  let overlay: string;

  beforeAll(async () => {
    folder = await temporaryFolder('layer-durability');
    const trace = join(folder.path, 'trace');
    const image = join(folder.path, 'base.img');
    const kernel = join(folder.path, 'vmlinuz');
    writePatternImage(image, 2 ** 20);
    writeFileSync(kernel, 'kernel');
    const service = await ServiceProcess.start({
      wrapper: ['strace', '-f', '-y', '-s', `${SHOWN_BYTES}`, '-e', CALLS, '-o', trace],
      arguments: ['--workers', '1'],
    });
    data = service.data;
    await service.json('vdisk', 'import', image, '--name', 'v', '--kernel', kernel);
    await service.json('machine', 'add', 'a', '--mac', '52:54:00:00:00:0a', '--vdisk', 'v');
    await service.json('version', 'create', 'v', '--private');
    const client = await connectNbd(service.uri('machine/a'));
    await client.write(patternBlock(3, 1), 3 * BLOCK); // and no flush
    await client.disconnect();
    const before = service.volumes();
    overlay = before.find((name) => name.endsWith('.data.volume')) ?? '';
    sealed = (await service.json<Version>('version', 'seal', 'v', '2')).layerId;
    const merge = ['version', 'merge', 'v', '2', '--mode', 'full'];
    merged = (await service.json<Version>(...merge)).layerId;
    await service.remove();
    calls = callsOf(readFileSync(trace, 'utf8'));
  });

  afterAll(() => folder.remove());

  /** The change of the catalog that names the layer for the first time. */
  const named = (layerId: string): number =>
    calls.find(
      ({ name, given }) =>
        name === 'pwrite64' && given.includes('/catalog.sqlite-wal>') && given.includes(layerId),
    )?.from ?? -1;

  test.each([
    ['sealed', 'sealing', () => sealed, ['manifest', 'map', 'volume', 'boot/vmlinuz', 'boot', '']],
    ['merged', 'partial', () => merged, ['manifest', 'boot/vmlinuz', 'boot', '']],
  ])('before the catalog knows that it is %s', (_, ending, layerId, files) => {
    const layers = join(data, 'layers');
    const half = join(layers, `${layerId()}.${ending}`);
    const known = named(layerId());
    expect(known).toBeGreaterThan(0);
    const renamed = calls.find(
      ({ name, given }) => name === 'rename' && given.startsWith(`"${half}"`),
    );
    const at = renamed?.from ?? -1;
    expect(at).toBeGreaterThan(0);
    for (const file of files)
      expect([file, isDurable(calls, join(half, file), at)]).toEqual([file, true]);
    const folderSynced = calls.some(
      ({ name, given, from, to }) =>
        name === 'fsync' && given.includes(`<${layers}>`) && from > at && to < known,
    );
    expect(folderSynced).toBe(true);
  });

  test('also the volume that it has', () => {
    const repository = join(data, 'repository');
    expect(overlay).not.toBe('');
    expect(isDurable(calls, join(repository, overlay), named(sealed))).toBe(true);
    expect(isDurable(calls, join(repository, `${merged}.volume`), named(merged))).toBe(true);
  });
});
