/**
 * Calls of `tgtadm`. Every error of the daemon is exit code 22; which one it is, only the words tell.
 *
 * A password of CHAP can be told to tgtadm as an argument only, so for the time of that call (milliseconds) whoever may
 * list this server's processes can read it. It is in no log, error or answer.
 */
import { runProgram } from '../../base/index.ts';
import { ArrayError, type ArrayErrorCode } from '../../errors/index.ts';
import { CALL_MS, CALL_OUTPUT_BYTES, NATIVE_MESSAGE_CHARACTERS } from './limits.ts';
import type { TgtSettings } from './settings.ts';

/** The daemon's words (tgt's usr/tgtadm_error.h), and what it means for what we ask. */
const WORDS: readonly (readonly [RegExp, ArrayErrorCode])[] = [
  [/already exists|already has an outgoing account/, 'ALREADY_EXISTS_DIFFERENT'],
  [/can't find the|does not exist/, 'NOT_FOUND'],
  [/still active/, 'IN_USE'],
  [/out of memory/, 'LIMIT_REACHED'],
  [/unsupported|unknown parameter|invalid request/, 'INVALID_ARGUMENT'],
  [/can't connect to tgt daemon|failed to send request|can't get the response/, 'UNREACHABLE'],
];

export class Tgtadm {
  readonly #common: readonly string[];
  readonly #env: Readonly<Record<string, string>>;

  constructor(settings: TgtSettings) {
    this.#common = ['-C', String(settings.controlPort), '--lld', 'iscsi'];
    const { ipcSocket } = settings;
    const socket = ipcSocket === undefined ? {} : { TGT_IPC_SOCKET: ipcSocket };
    this.#env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ...socket };
  }

  /** @returns what it printed. @throws ArrayError */
  async show(mode: string, args: readonly string[] = []): Promise<string> {
    return this.#run([...args, '--mode', mode, '--op', 'show'], `show ${mode}`, false);
  }

  /**
   * Changes something.
   * @param what for people; the arguments may hold a secret
   * @param fine errors that mean that it is so already
   */
  async change(
    args: readonly string[],
    what: string,
    fine: readonly ArrayErrorCode[] = [],
  ): Promise<void> {
    try {
      await this.#run(args, what, true);
    } catch (error) {
      if (!(error instanceof ArrayError) || !fine.includes(error.code)) throw error;
    }
  }

  async #run(args: readonly string[], what: string, mutating: boolean): Promise<string> {
    const end = await runProgram('tgtadm', [...this.#common, ...args], {
      timeoutMs: CALL_MS,
      outputBytes: CALL_OUTPUT_BYTES,
      env: this.#env,
    });
    if (end.outcome === 'missing') {
      const message = `cannot ${what}: tgtadm is needed (Debian package tgt)`;
      throw new ArrayError('TOOL_MISSING', message, { cause: end.error });
    }
    const nativeMessage = end.stderr.trim().slice(-NATIVE_MESSAGE_CHARACTERS);
    if (end.outcome === 'killed') {
      const code = mutating ? 'UNKNOWN_OUTCOME' : 'TIMEOUT';
      throw new ArrayError(code, `cannot ${what}: the call was ended (${end.why})`, {
        nativeMessage,
      });
    }
    if (end.code === 0) return end.stdout;
    throw new ArrayError(codeOf(nativeMessage), `cannot ${what}: ${nativeMessage}`, {
      nativeCode: end.code,
      nativeMessage,
    });
  }
}

export function codeOf(words: string): ArrayErrorCode {
  return WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? 'BACKEND_BUG';
}
