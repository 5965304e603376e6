/**
 * What XenAPI costs when there is much of it: the list of 10,000 VDIs on both wires, and how soon and at what cost 50
 * clients that wait for events hear of a change. In one process, without sockets: what is left out is the network.
 * bench/xenapi/README.md says how to read it.
 */
import { availableParallelism, cpus, release } from 'node:os';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { type ApiType, map, ref } from '../../src/xenapi/datamodel/description.ts';
import { EVENT_BATCH } from '../../src/xenapi/datamodel/event.ts';
import { OBJECT_CLASSES } from '../../src/xenapi/datamodel/index.ts';
import { SR } from '../../src/xenapi/datamodel/sr.ts';
import { VDI } from '../../src/xenapi/datamodel/vdi.ts';
import { recordType } from '../../src/xenapi/dispatch/implicit-messages.ts';
import { Events } from '../../src/xenapi/events/events.ts';
import { emptyRecord } from '../../src/xenapi/objects/defaults.ts';
import { Objects } from '../../src/xenapi/objects/objects.ts';
import { refOf, uuidOf } from '../../src/xenapi/objects/refs.ts';
import { REAL_TIMERS } from '../../src/xenapi/timers.ts';
import { jsonSuccess } from '../../src/xenapi/wire/json-reply.ts';
import { xmlSuccess } from '../../src/xenapi/wire/xml-reply.ts';

const HELP = `npm run bench -- is another one. This: node bench/xenapi/main.ts [--objects N] [--waiters N] [--rounds N]
`;

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '10000' },
    waiters: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '20' },
    help: { type: 'boolean', default: false },
  },
});
const OBJECTS = Number(values.objects);
const WAITERS = Number(values.waiters);
const ROUNDS = Number(values.rounds);

const SR_REF = refOf('SR', 'bench');

function fill(objects: Objects): void {
  const sr = { ...emptyRecord(SR), uuid: uuidOf('SR', 'bench'), name_label: 'bench' };
  objects.put('SR', SR_REF, sr, { kind: 'repository', id: 'bench' });
  for (let number = 0; number < OBJECTS; number++) change(objects, number, 0);
}

/** A VDI as clients leave them: with a name, a few keys. */
function change(objects: Objects, number: number, round: number): void {
  const uuid = uuidOf('VDI', String(number));
  const record = {
    ...emptyRecord(VDI),
    ...{ uuid, location: uuid, name_label: `disk ${number}`, SR: SR_REF, virtual_size: 2 ** 33 },
    ...{ type: 'user', managed: true },
    other_config: new Map([
      ['xo:backup:job', 'f3b0'],
      ['round', String(round)],
    ]),
    sm_config: new Map([['image-format', 'raw']]),
  };
  objects.put('VDI', refOf('VDI', String(number)), record, { kind: 'volume', id: String(number) });
}

/** Written piece by piece, as it is sent. @returns characters */
function written(parts: Iterable<string>): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

const asXml = (type: ApiType, value: unknown): number => written(xmlSuccess(type, value));
const asJson = (type: ApiType, value: unknown): number =>
  written(jsonSuccess({ version: '2.0', id: 0 }, type, value));

const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;

async function timed(work: () => void | Promise<void>): Promise<{ ms: number; cpu: number }> {
  const [start, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { ms: performance.now() - start, cpu: (user + system) / 1000 };
}

function say(what: string, value: number, unit: string): void {
  process.stdout.write(`| ${what} | ${value.toFixed(value < 10 ? 2 : 0)} ${unit} |\n`);
}

async function lists(objects: Objects): Promise<void> {
  const type = map(ref('VDI'), recordType(VDI));
  for (const [name, write] of [
    ['XML-RPC', asXml],
    ['JSON', asJson],
  ] as const) {
    const times: number[] = [];
    let bytes = 0;
    for (let round = 0; round < 5; round++) {
      const { ms } = await timed(() => {
        bytes = write(type, new Map(objects.allAny('VDI')));
      });
      times.push(ms);
    }
    say(`VDI.get_all_records of ${OBJECTS}, ${name}`, median(times), 'ms');
    say('… its text', bytes / 1e6, 'MB');
  }
}

/** Everybody waits for everything; one VDI changes, or is made: then its SR changes, too, which lists all of them. */
async function latency(
  objects: Objects,
  events: Events,
  what: string,
  numberOf: (round: number) => number,
): Promise<void> {
  const latencies: number[] = [];
  const cpu: number[] = [];
  let token = '';
  const call = { session: 'OpaqueRef:bench', signals: [] };
  token = (await events.from(call, ['*'], '', 0)).token;
  for (let round = 0; round < ROUNDS; round++) {
    const waiting = Array.from({ length: WAITERS }, (_, index) =>
      events
        .from({ ...call, session: `OpaqueRef:${index}` }, ['*'], token, 60)
        .then((batch) => ({ batch, length: asJson(EVENT_BATCH, batch) })),
    );
    await new Promise((resolve) => setTimeout(resolve, 20)); // all of them wait
    const { ms, cpu: used } = await timed(async () => {
      change(objects, numberOf(round), round + 1);
      const [first] = await Promise.all(waiting);
      token = first?.batch.token ?? token;
    });
    latencies.push(ms);
    cpu.push(used);
  }
  say(
    `one VDI ${what}, ${WAITERS} wait for *: until the last is answered`,
    median(latencies),
    'ms',
  );
  say('… CPU of all of them', median(cpu), 'ms');
}

/** Everybody waits for tasks; VDIs change all the time. */
async function quiet(objects: Objects, events: Events): Promise<void> {
  const { token } = await events.from({ session: 'OpaqueRef:q', signals: [] }, ['*'], '', 0);
  const end = new AbortController();
  const waiting = Array.from({ length: WAITERS }, (_, index) =>
    events
      .from({ session: `OpaqueRef:${index}`, signals: [end.signal] }, ['task'], token, 60)
      .catch(() => undefined),
  );
  const changes = 20_000;
  const alone = await changesOf(objects, changes, 1);
  end.abort();
  await Promise.all(waiting);
  const bare = await changesOf(objects, changes, 2);
  say('a change while nobody waits', (bare * 1000) / changes, 'µs CPU');
  say(`a change while ${WAITERS} wait for something else`, (alone * 1000) / changes, 'µs CPU');
}

/** Each in a turn of its own. */
async function changesOf(objects: Objects, count: number, round: number): Promise<number> {
  const { cpu } = await timed(async () => {
    for (let number = 0; number < count; number++) {
      change(objects, number % OBJECTS, round * 1e6 + number);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  return cpu;
}

if (values.help) process.stdout.write(HELP);
else {
  const before = process.memoryUsage().heapUsed;
  const objects = new Objects(OBJECT_CLASSES, 1);
  const ends = new AbortController();
  const alive = setInterval(() => undefined, 1000); // the timers of events are not what a process lives for
  const events = new Events(objects, REAL_TIMERS, () => ends.signal);
  fill(objects);
  process.stdout.write(
    `${cpus()[0]?.model.trim()}, ${availableParallelism()} CPUs, Linux ${release()}, Node ${process.version}\n\n| what | |\n|---|--:|\n`,
  );
  await lists(objects);
  await latency(objects, events, 'changes', (round) => round % OBJECTS);
  await latency(objects, events, 'is made', (round) => OBJECTS + round);
  await quiet(objects, events);
  globalThis.gc?.();
  say(
    'heap of it all (with --expose-gc)',
    (process.memoryUsage().heapUsed - before) / 2 ** 20,
    'MiB',
  );
  events.close();
  clearInterval(alive);
}
