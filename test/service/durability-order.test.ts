/**
 * The order of fdatasync and reply, seen from outside: the service runs under strace, and the trace
 * must show the data's fdatasync done between the arrival of a FLUSH (or FUA write) and its reply; or,
 * where flushes go through the journal, that of the journal with the blocks in it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectNbd, type NbdClient } from '../../src/nbd/client/index.ts';
import { patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { describeWith, program } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const REQUEST_MAGIC = '25609513';
const REPLY_MAGIC = '67446698';
/** "RCJR", with which a record of the flush journal begins; and the header of its segment. */
const RECORD_MAGIC = '52434a52';
const SEGMENT_MAGIC = Buffer.from('RCASTJRN').toString('hex');
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

interface Traced {
  readonly service: ServiceProcess;
  readonly client: NbdClient;
  /** What was traced so far. */
  readonly trace: () => string;
  /** Ends both. @returns all requests */
  readonly end: () => Promise<TracedRequest[]>;
}

/** A service under strace with one machine, whose disk is connected. */
async function startTraced(folder: string, ...args: readonly string[]): Promise<Traced> {
  const file = join(folder, 'trace');
  const trace = (): string => readFileSync(file, 'utf8');
  writePatternImage(join(folder, 'base.img'), 2 ** 20);
  const service = await ServiceProcess.start({
    wrapper: ['strace', '-f', '-xx', '-s', '64', '-e', CALLS, '-o', file],
    arguments: ['--workers', '1', ...args],
  });
  await service.json('vdisk', 'import', join(folder, 'base.img'), '--name', 'base');
  const machine = ['a', '--mac', '52:54:00:00:00:0a', '--vdisk', 'base'];
  await service.json('machine', 'add', ...machine, '--cache', 'server-persistent');
  const client = await connectNbd(service.uri('machine/a'), { style: 'simple' });
  const end = async (): Promise<TracedRequest[]> => {
    await client.disconnect();
    await service.remove();
    return requestsOf(trace());
  };
  return { service, client, trace, end };
}

describeWith([program('strace', 'strace')], 'fdatasync comes before the reply', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let requests: TracedRequest[];

  beforeAll(async () => {
    folder = await temporaryFolder('durability');
    const { client, end } = await startTraced(folder.path, '--cache-journal', '0');
    await client.write(patternBlock(3, 1), 3 * 4096);
    await client.flush();
    await client.write(patternBlock(3, 2), 3 * 4096);
    await client.flush();
    await client.write(patternBlock(9, 1), 9 * 4096, { fua: true });
    requests = await end();
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

/** Flushes after which the journal must be in use: its segments were filled with zeroes meanwhile. */
const FLUSHES_MAX = 500;

describeWith([program('strace', 'strace')], 'a flush through the journal', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  /** All flushes but the first ones, each with the write before it. */
  let pairs: { readonly write: TracedRequest; readonly flush: TracedRequest }[];
  let before: TracedRequest[];

  const isRecord = (line: string): boolean =>
    /pwrite64\(/.test(line) && hexOf(line).includes(`"${RECORD_MAGIC}`);
  const isHeader = (line: string): boolean =>
    /pwrite64\(.*, 0\)?/.test(line) && hexOf(line).includes(`"${SEGMENT_MAGIC}`);

  beforeAll(async () => {
    folder = await temporaryFolder('durability-journal');
    const { client, trace, end } = await startTraced(folder.path, '--cache-journal', '4M');
    let flushes = 0;
    const next = async (block: number): Promise<void> => {
      flushes += 1;
      await client.write(patternBlock(block, 1000 + flushes), block * 4096);
      await client.flush();
    };
    while (!trace().split('\n').some(isRecord)) {
      if (flushes > FLUSHES_MAX) throw new Error('the journal is not used');
      await next(3);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // Rewritten blocks, and blocks of which the map has to know that they are owned now.
    for (const block of [3, 4, 3, 5, 200]) await next(block);
    const requests = (await end()).filter(({ command }) => /^0000000[13]$/.test(command));
    expect(requests).toHaveLength(2 * flushes);
    pairs = [];
    for (let at = requests.length - 10; at < requests.length; at += 2) {
      pairs.push({
        write: requests[at] as TracedRequest,
        flush: requests[at + 1] as TracedRequest,
      });
    }
    before = requests.slice(0, -10);
  });

  afterAll(() => folder.remove());

  test('writes a record, syncs that and nothing else, and then replies', () => {
    for (const { write, flush } of pairs) {
      expect([write.command, flush.command]).toEqual(['00000001', '00000003']);
      const data = /pwrite64\((\d+), .*, 4096, \d+\)?/.exec(write.lines.join('\n'))?.[1];
      expect(data).toBeDefined();
      expect(synced(write.lines)).toEqual([]);
      const record = flush.lines.findIndex(isRecord);
      expect(record).toBeGreaterThanOrEqual(0);
      const journal = /pwrite64\((\d+)/.exec(flush.lines[record] ?? '')?.[1];
      expect(journal).not.toBe(data);
      expect(synced(flush.lines)).toEqual([journal]);
      // The sync begins when the record is written, and is over before the reply, the last line.
      const isWritten = (line: string): boolean => /pwrite64(\(| resumed).* = \d+$/.test(line);
      const written = flush.lines.findIndex((line, at) => at >= record && isWritten(line));
      const begun = lineOf(flush.lines, new RegExp(`fdatasync\\(${journal}\\b`));
      const over = lineOf(flush.lines, /fdatasync(\(\d+\)| resumed).*= 0/);
      expect(written).toBeGreaterThanOrEqual(record);
      expect(begun).toBeGreaterThan(written);
      expect(over).toBeGreaterThanOrEqual(begun);
      expect(over).toBeLessThan(flush.lines.length - 1);
    }
  });

  test('begins a segment with its header, which is synced before the first record is written', () => {
    const first = before.filter(({ lines }) => lines.some(isHeader));
    expect(first).toHaveLength(1);
    const lines = first[0]?.lines ?? [];
    const header = lines.findIndex(isHeader);
    const record = lines.findIndex(isRecord);
    const journal = /pwrite64\((\d+)/.exec(lines[header] ?? '')?.[1];
    expect(/pwrite64\((\d+)/.exec(lines[record] ?? '')?.[1]).toBe(journal);
    expect(synced(lines)).toEqual([journal, journal]);
    const over = lineOf(lines, /fdatasync(\(\d+\)| resumed).*= 0/);
    expect(over).toBeGreaterThan(header);
    expect(record).toBeGreaterThan(over);
  });

  test('takes over from flushes that synced the data', () => {
    const flush = before[1]?.lines ?? [];
    expect(flush.some(isRecord)).toBe(false);
    expect(synced(flush).length).toBeGreaterThanOrEqual(2);
  });
});
