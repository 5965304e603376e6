import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import type { HookAction, HookCall, HookEnd, HookRunner } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import { execHook } from './exec-hook.ts';
import { callWebhook } from './webhook.ts';

/** A plain file name. */
const PROGRAM = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Programs are those that somebody with a right on this machine has put into the hooks folder: whoever has the token
 * of the API chooses among them, and cannot run anything else.
 */
export class ServiceHooks implements HookRunner {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  check(action: HookAction): void {
    if (action.kind === 'exec') this.#programOf(action.argv);
  }

  async run({ action, timeoutMs, facts, token }: HookCall, signal: AbortSignal): Promise<HookEnd> {
    if (action.kind === 'webhook') {
      return callWebhook({ url: action.url, facts, token, timeoutMs }, signal);
    }
    try {
      const program = this.#programOf(action.argv);
      const request = { program, args: action.argv.slice(1), folder: this.#folder };
      return await execHook({ ...request, facts, timeoutMs }, signal);
    } catch (error) {
      const how = error instanceof Error ? error.message : String(error);
      return { succeeded: false, how, output: '' };
    }
  }

  #programOf([name = '']: readonly string[]): string {
    const expected = `the name of a program in ${this.#folder}`;
    const details = { field: 'hook.argv', value: name, expected };
    if (!PROGRAM.test(name)) {
      throw new Fault('INVALID_INPUT', 'a hook names a program of the hooks folder', details);
    }
    const path = join(this.#folder, name);
    try {
      if (!statSync(path).isFile()) throw new Error('it is no file');
      accessSync(path, constants.X_OK);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Fault('NOT_FOUND', `hook program ${name} cannot be run: ${why}`, details, {
        cause,
      });
    }
    return path;
  }
}
