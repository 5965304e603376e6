/**
 * The same from outside: the service as it is started, 10,000 VDIs that VDI.create made, 50 clients that wait in
 * event.from. Says how long lists take, how soon changes are heard of, and what the service needs for it.
 * bench/xenapi/README.md says how to read it.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type ServiceRun, startService } from '../scale/service-run.ts';
import { quantiles } from '../scale/statistics.ts';
import { RpcCaller } from './rpc-caller.ts';

const HELP = `node bench/xenapi/over-http.ts [--objects N] [--waiters N] [--rounds N] [--folder PATH]
`;
/** VDIs that are made at the same time. */
const MAKERS = 16;
const LIST_ROUNDS = 5;
/** Changes that are sent at once in the last part. */
const BURST = 200;
/** Seconds for which a client waits in one call. */
const TIMEOUT_S = 30;
/** After everything has ended: what is only garbage goes. */
const REST_MS = 20_000;

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '10000' },
    waiters: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '100' },
    folder: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
});
const OBJECTS = Number(values.objects);
const WAITERS = Number(values.waiters);
const ROUNDS = Number(values.rounds);

const rows: (readonly [string, string])[] = [];
const say = (what: string, figure: string): void => {
  rows.push([what, figure]);
  process.stderr.write(`${what}: ${figure}\n`);
};
const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

async function caller(run: ServiceRun, data: string): Promise<RpcCaller> {
  const one = new RpcCaller(run.xenapi);
  await one.login((await readFile(join(data, 'admin.token'), 'utf8')).trim());
  return one;
}

async function fill(rpc: RpcCaller, location: string): Promise<void> {
  const { session } = rpc;
  const [host] = await rpc.call<string[]>('host.get_all', session);
  const config = [host, { location }, 0, 'bench', '', 'file', 'user', false, {}];
  const sr = await rpc.call<string>('SR.create', session, ...config);
  const began = performance.now();
  let next = 0;
  const make = async (): Promise<void> => {
    while (next < OBJECTS) {
      const number = next++;
      await rpc.call('VDI.create', session, {
        ...{ name_label: `disk ${number}`, name_description: '', SR: sr, virtual_size: 2 ** 33 },
        ...{ type: 'user', sharable: false, read_only: false, sm_config: {}, tags: [] },
        other_config: { 'xo:backup:job': 'f3b0' },
      });
    }
  };
  await Promise.all(Array.from({ length: MAKERS }, make));
  say(`VDI.create, ${MAKERS} at once`, `${ms((performance.now() - began) / OBJECTS)} each`);
}

/** Storage is attached behind a start. */
async function attached(rpc: RpcCaller): Promise<void> {
  for (;;) {
    const pbds = await rpc.call<Record<string, { currently_attached: boolean }>>(
      ...(['PBD.get_all_records', rpc.session] as const),
    );
    if (Object.values(pbds).every((pbd) => pbd.currently_attached)) return;
    await sleep(50);
  }
}

async function lists(rpc: RpcCaller): Promise<void> {
  const xml = `<methodCall><methodName>VDI.get_all_records</methodName><params><param><value>${rpc.session}</value></param></params></methodCall>`;
  const json = JSON.stringify({
    ...{ jsonrpc: '2.0', id: 1, method: 'VDI.get_all_records', params: [rpc.session] },
  });
  for (const [name, path, body] of [
    ['XML-RPC', '/', xml],
    ['JSON-RPC', '/jsonrpc', json],
  ] as const) {
    const times: number[] = [];
    let size = 0;
    for (let round = 0; round < LIST_ROUNDS; round++) {
      const answer = await rpc.post(path, body);
      times.push(answer.ms);
      size = answer.body.length;
    }
    const { p50, max } = quantiles(times);
    say(
      `VDI.get_all_records, ${name} (${(size / 1e6).toFixed(1)} MB)`,
      `${ms(p50)}, at most ${ms(max)}`,
    );
  }
}

interface Batch {
  readonly token: string;
  readonly events: readonly {
    readonly ref: string;
    readonly snapshot: { readonly name_description: string };
  }[];
}

/** A client that waits on and on, and tells what it hears of and when. */
class Waiter {
  readonly #rpc: RpcCaller;
  readonly #heard: (what: string) => void;
  readonly #classes: readonly string[];
  #token: string;
  #over = false;
  readonly ended: Promise<void>;

  constructor(
    rpc: RpcCaller,
    token: string,
    classes: readonly string[],
    heard: (what: string) => void,
  ) {
    this.#rpc = rpc;
    this.#token = token;
    this.#classes = classes;
    this.#heard = heard;
    this.ended = this.#run();
    this.ended.catch(() => undefined); // told at the end
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const params = [this.#rpc.session, this.#classes, this.#token, TIMEOUT_S];
      const batch = await this.#rpc.call<Batch>('event.from', ...params).catch((error: unknown) => {
        if (this.#over) return undefined;
        throw error;
      });
      if (batch === undefined) return;
      this.#token = batch.token;
      for (const { snapshot } of batch.events) this.#heard(snapshot?.name_description);
    }
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#rpc.call('session.logout', this.#rpc.session);
    await this.ended;
    this.#rpc.close();
  }
}

/** Sends changes, and waits until every client has heard of each. @returns ms of each of them, at each client */
class Hearing {
  readonly latencies: number[] = [];
  readonly #sent = new Map<string, { readonly at: number; left: number }>();
  #done: () => void = () => undefined;

  heard(what: string): void {
    const change = this.#sent.get(what);
    if (change === undefined) return;
    this.latencies.push(performance.now() - change.at);
    change.left -= 1;
    if (change.left > 0) return;
    this.#sent.delete(what);
    if (this.#sent.size === 0) this.#done();
  }

  async change(
    rpc: RpcCaller,
    changes: readonly (readonly [vdi: string, what: string])[],
  ): Promise<void> {
    const all = new Promise<void>((resolve) => {
      this.#done = resolve;
    });
    await Promise.all(
      changes.map(([vdi, what]) => {
        this.#sent.set(what, { at: performance.now(), left: WAITERS });
        return rpc.call('VDI.set_name_description', rpc.session, vdi, what);
      }),
    );
    await all;
  }
}

async function events(run: ServiceRun, data: string, rpc: RpcCaller): Promise<void> {
  const [pool] = await rpc.call<string[]>('pool.get_all', rpc.session);
  const vdis = await rpc.call<string[]>('VDI.get_all', rpc.session);
  const token = await rpc.call<string>('event.inject', rpc.session, 'pool', pool);
  const hearing = new Hearing();
  const waiters: Waiter[] = [];
  for (let each = 0; each < WAITERS; each++) {
    const own = await caller(run, data);
    waiters.push(new Waiter(own, token, ['*'], (what) => hearing.heard(what)));
  }
  const vdi = (round: number): string => vdis[round % vdis.length] ?? '';
  await hearing.change(rpc, [[vdi(0), 'warm']]);
  hearing.latencies.length = 0;

  const before = run.cpuMicros();
  const began = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    await hearing.change(rpc, [[vdi(round), `change ${round}`]]);
  }
  const cpu = run.cpuMicros() - before;
  const one = quantiles(hearing.latencies);
  say(`one change, ${WAITERS} wait for everything: until a client has heard, p50`, ms(one.p50));
  say('… p99', ms(one.p99));
  say('… CPU of the service for each change', ms(cpu / 1000 / ROUNDS));
  say('… CPU for each event that a client got', `${Math.round(cpu / ROUNDS / WAITERS)} µs`);
  say(
    '… changes a second, one after the other',
    String(Math.round((ROUNDS / (performance.now() - began)) * 1000)),
  );

  hearing.latencies.length = 0;
  const beforeBurst = run.cpuMicros();
  const burst = Array.from({ length: BURST }, (_, i) => [vdi(i), `burst ${i}`] as const);
  await hearing.change(rpc, burst);
  const cpuBurst = run.cpuMicros() - beforeBurst;
  const many = quantiles(hearing.latencies);
  say(`${BURST} changes at once: until a client has heard, p50`, ms(many.p50));
  say('… p99', ms(many.p99));
  say('… CPU for each event that a client got', `${Math.round(cpuBurst / BURST / WAITERS)} µs`);
  say('resident memory with clients that wait', mib(run.residentBytes()));
  for (const waiter of waiters) await waiter.end();
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(values.folder, 'rootcast-bench-xenapi-'));
  const [data, location] = [join(folder, 'data'), join(folder, 'sr')];
  await mkdir(location);
  let run = await startService(data, '127.0.0.1:0');
  try {
    say('resident memory of an empty service', mib(run.residentBytes()));
    let rpc = await caller(run, data);
    await fill(rpc, location);
    rpc.close();
    await run.stop();
    run = await startService(data, '127.0.0.1:0');
    say(`start with ${OBJECTS} VDIs`, ms(run.readyMs));
    rpc = await caller(run, data);
    await attached(rpc);
    say('resident memory after the start', mib(run.residentBytes()));
    await lists(rpc);
    say('… after the lists', mib(run.residentBytes()));
    await events(run, data, rpc);
    await sleep(REST_MS);
    say('… at the end, at rest', mib(run.residentBytes()));
    rpc.close();
  } finally {
    await run.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

if (values.help) process.stdout.write(HELP);
else {
  const load = loadavg().map((one) => one.toFixed(1));
  await main();
  const cpu = cpus()[0]?.model.trim() ?? 'unknown';
  const lines = [
    `${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} × ${cpu}, Linux ${release()}, Node.js ${process.version}, load before ${load.join(' ')}; ${OBJECTS} VDIs, ${WAITERS} clients, ${ROUNDS} rounds`,
    '',
    '| what | |',
    '| --- | ---: |',
    ...rows.map(([what, figure]) => `| ${what} | ${figure} |`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
