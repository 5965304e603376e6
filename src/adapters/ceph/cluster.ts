/** Calls of `rbd` and `ceph` on one pool of one cluster. */
import { readFile } from 'node:fs/promises';
import { type ProgramEnd, type RunProgramOptions, runProgram } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type { CallOptions } from '../../repositories/index.ts';
import { errorOfEnd } from './exit-codes.ts';
import { CALL_MS, CALL_OUTPUT_BYTES, CONNECT_SECONDS, CRASHES, LONG_CALL_MS } from './limits.ts';
import { PrivateFolder } from './private-folder.ts';
import type { CephSettings } from './settings.ts';
import { parseJson } from './shape.ts';

export interface Call extends CallOptions {
  /** For people: "create image x". */
  readonly what: string;
  /** It changes something: without its end, nobody knows whether it did. */
  readonly mutating?: boolean;
  /** It takes as long as its data takes. */
  readonly long?: boolean;
}

const PROGRESS = /(\d+)% complete\.\.\./g;

export class Cluster {
  readonly folder: PrivateFolder;
  readonly settings: CephSettings;
  readonly #env: Readonly<Record<string, string>>;
  #guard: (() => Promise<void>) | undefined;
  #closed = false;

  private constructor(folder: PrivateFolder, settings: CephSettings) {
    this.folder = folder;
    this.settings = settings;
    // Times are printed in local time without saying so: they are made UTC.
    this.#env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' };
  }

  /** Asks nothing yet. `close` removes what this keeps on this server. @throws ArrayError INVALID_ARGUMENT */
  static async open(repositoryId: string, settings: CephSettings): Promise<Cluster> {
    const conf = await confText(settings);
    const { keyring, user } = settings;
    return new Cluster(await PrivateFolder.make(repositoryId, { conf, keyring, user }), settings);
  }

  get pool(): string {
    const { pool } = this.settings;
    if (pool !== undefined) return pool;
    throw new ArrayError('INVALID_ARGUMENT', 'no pool is named', { field: 'pool' });
  }

  /** `pool/namespace/image@snapshot`, which cannot be taken for an option: a pool's name does not begin with "-". */
  spec(image: string, snapshot?: string): string {
    const { namespace } = this.settings;
    const place = namespace === undefined ? this.pool : `${this.pool}/${namespace}`;
    return `${place}/${image}${snapshot === undefined ? '' : `@${snapshot}`}`;
  }

  /** The pool, or the namespace in it, as `rbd ls` takes it. */
  get place(): string {
    const { namespace } = this.settings;
    return namespace === undefined ? this.pool : `${this.pool}/${namespace}`;
  }

  /** @returns what it printed. @throws ArrayError */
  rbd(args: readonly string[], call: Call): Promise<string> {
    return this.#run('rbd', args, call);
  }

  ceph(args: readonly string[], call: Call): Promise<string> {
    return this.#run('ceph', [`--connect-timeout=${CONNECT_SECONDS}`, ...args], call);
  }

  async rbdJson(args: readonly string[], call: Call): Promise<unknown> {
    return parseJson(await this.rbd([...args, '--format', 'json'], call), call.what);
  }

  async cephJson(args: readonly string[], call: Call): Promise<unknown> {
    return parseJson(await this.ceph([...args, '--format', 'json'], call), call.what);
  }

  /**
   * No write of these clients is taken any more, not even what is on its way. Needs the cap `mon 'profile rbd'`.
   * @param addresses as `rbd status` names watchers, or an IP address: every client there, also later ones
   */
  async block(addresses: readonly string[], seconds: number): Promise<void> {
    for (const address of addresses) {
      const what = `put ${address} on the blocklist`;
      await this.ceph(['osd', 'blocklist', 'add', address, String(seconds)], { what });
    }
  }

  /** @param guard runs before every call that changes something. @throws ArrayError: it is not made */
  guardWith(guard: () => Promise<void>): void {
    this.#guard = guard;
  }

  /** Again: fine. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.folder.remove();
  }

  async #run(program: string, args: readonly string[], call: Call): Promise<string> {
    const { user } = this.settings;
    const { progress } = call;
    if (this.#closed) {
      throw new ArrayError('UNREACHABLE', `cannot ${call.what}: the repository is closed`);
    }
    if (call.signal?.aborted === true) {
      throw new ArrayError('CANCELLED', `${call.what}: cancelled before it began`);
    }
    if (call.mutating === true) await this.#guard?.();
    const common = ['--conf', this.folder.conf, '--id', user];
    const options: RunProgramOptions = {
      timeoutMs: call.long === true ? LONG_CALL_MS : CALL_MS,
      outputBytes: CALL_OUTPUT_BYTES,
      env: this.#env,
      signal: call.signal,
      onErrorText:
        progress === undefined
          ? undefined
          : (said) => {
              const percent = [...said.matchAll(PROGRESS)].at(-1)?.[1];
              if (percent !== undefined) progress(Number(percent) / 100);
            },
    };
    let end = await runProgram(program, [...common, ...args], options);
    // The programs crash now and then. What only looks may look again.
    for (let again = 0; again < CRASHES && crashed(end) && call.mutating !== true; again += 1) {
      end = await runProgram(program, [...common, ...args], options);
    }
    if (end.outcome === 'exited' && end.code === 0) return end.stdout;
    throw errorOfEnd(end, call.what, call.mutating === true);
  }
}

function crashed(end: ProgramEnd): boolean {
  return end.outcome === 'killed' && end.why === 'signal';
}

/** `client_mount_timeout`: how long to look for a monitor. Nothing goes into the system's log or run folders. */
async function confText(settings: CephSettings): Promise<string> {
  const ours = `client_mount_timeout = ${CONNECT_SECONDS}\n`;
  const { conf, monHosts } = settings;
  if (monHosts.length > 0) {
    return `[global]\nmon_host = ${monHosts.join(',')}\nlog_file =\nadmin_socket =\n${ours}`;
  }
  if (conf === undefined) {
    throw new ArrayError('INVALID_ARGUMENT', 'neither monitors nor a ceph.conf are named', {
      field: 'monHosts',
      expected: 'addresses of monitors, or the setting conf',
    });
  }
  try {
    return `${await readFile(conf, 'utf8')}\n[client]\nlog_file =\nadmin_socket =\n${ours}`;
  } catch (cause) {
    throw new ArrayError('INVALID_ARGUMENT', `cannot read ${conf}`, {
      field: 'conf',
      value: conf,
      cause,
    });
  }
}
