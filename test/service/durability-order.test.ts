/**
 * The order of fdatasync and reply, seen from outside: the service runs under strace, and the trace
 * must show the data's fdatasync done between the arrival of a FLUSH (or FUA write) and its reply.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { describeWith, program } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const REQUEST_MAGIC = '25609513';
const REPLY_MAGIC = '67446698';
const CALLS = 'trace=fdatasync,fsync,read,write,writev,pwrite64';

/** One request as the kernel saw it: the calls from its arrival to its reply, both included. */
interface TracedRequest {
  /** Command flags and type, e.g. `00010001` for a FUA write. */
  readonly command: string;
  readonly lines: readonly string[];
}

/** strace's `-xx` strings as plain hex. */
const hexOf = (text: string): string => text.replaceAll('\\x', '');

/** The requests of a trace in which there was never more than one at a time. */
function requestsOf(trace: string): TracedRequest[] {
  const requests: TracedRequest[] = [];
  let open: { command: string; lines: string[] } | undefined;
  for (const line of trace.split('\n')) {
    const bytes = hexOf(line);
    const arrival = /\bread(\(| resumed)/.test(line) ? bytes.indexOf(REQUEST_MAGIC) : -1;
    if (arrival >= 0) open = { command: bytes.slice(arrival + 8, arrival + 16), lines: [] };
    open?.lines.push(line);
    if (open !== undefined && /\bwritev?\(/.test(line) && bytes.includes(REPLY_MAGIC)) {
      requests.push(open);
      open = undefined;
    }
  }
  return requests;
}

/** Descriptors whose fdatasync was called and returned 0 within the lines, in order. */
function synced(lines: readonly string[]): string[] {
  const unfinished = new Map<string, string>();
  const done: string[] = [];
  for (const line of lines) {
    const thread = /^(\d+)/.exec(line)?.[1] ?? '';
    const whole = /fdatasync\((\d+)\)\s+= 0/.exec(line)?.[1];
    const started = /fdatasync\((\d+) <unfinished/.exec(line)?.[1];
    if (whole !== undefined) done.push(whole);
    else if (started !== undefined) unfinished.set(thread, started);
    else if (/fdatasync resumed.*= 0/.test(line)) done.push(unfinished.get(thread) ?? 'unknown');
  }
  return done;
}

const lineOf = (lines: readonly string[], call: RegExp): number =>
  lines.findIndex((line) => call.test(line));

describeWith([program('strace', 'strace')], 'fdatasync comes before the reply', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let requests: TracedRequest[];

  beforeAll(async () => {
    folder = await temporaryFolder('durability');
    const trace = join(folder.path, 'trace');
    writePatternImage(join(folder.path, 'base.img'), 2 ** 20);
    const service = await ServiceProcess.start({
      wrapper: ['strace', '-f', '-xx', '-s', '64', '-e', CALLS, '-o', trace],
    });
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    const machine = ['a', '--mac', '52:54:00:00:00:0a', '--vdisk', 'base'];
    await service.json('machine', 'add', ...machine, '--cache', 'server-persistent');
    const client = await connectNbd(service.uri('machine/a'), { style: 'simple' });
    await client.write(patternBlock(3, 1), 3 * 4096);
    await client.flush();
    await client.write(patternBlock(3, 2), 3 * 4096);
    await client.flush();
    await client.write(patternBlock(9, 1), 9 * 4096, { fua: true });
    await client.disconnect();
    await service.remove();
    requests = requestsOf(readFileSync(trace, 'utf8'));
  });

  afterAll(() => folder.remove());

  test('the trace holds the five requests', () => {
    const commands = requests.map(({ command }) => command);
    expect(commands).toEqual(['00000001', '00000003', '00000001', '00000003', '00010001']);
  });

  test('a plain write is in the page cache before its reply, and waits for no disk', () => {
    const lines = requests[0]?.lines ?? [];
    expect(lineOf(lines, /pwrite64\(\d+, .*, 4096, 12288\)/)).toBeGreaterThanOrEqual(0);
    expect(synced(lines)).toEqual([]);
  });

  test('FLUSH after a first write syncs the data, then writes and syncs the map, then replies', () => {
    const lines = requests[1]?.lines ?? [];
    const [data, map, ...more] = synced(lines);
    expect(more).toEqual([]);
    expect(map).not.toBe(data);
    const dataSync = lineOf(lines, new RegExp(`fdatasync\\(${data}\\b`));
    const mapWrite = lineOf(lines, new RegExp(`pwrite64\\(${map},`));
    expect(dataSync).toBeGreaterThanOrEqual(0);
    expect(mapWrite).toBeGreaterThan(dataSync);
  });

  test('FLUSH after a rewrite syncs the data alone', () => {
    expect(synced(requests[3]?.lines ?? [])).toHaveLength(1);
  });

  test('a FUA write is written, then synced, then acknowledged', () => {
    const lines = requests[4]?.lines ?? [];
    const write = lineOf(lines, /pwrite64\(\d+, .*, 4096, 36864\)/);
    expect(write).toBeGreaterThanOrEqual(0);
    expect(lineOf(lines, /fdatasync\(/)).toBeGreaterThan(write);
    expect(synced(lines).length).toBeGreaterThanOrEqual(1);
  });
});
