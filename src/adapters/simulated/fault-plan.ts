/**
 * Faults that a simulated array is told to have: `CALL FAULT [TIMES]`, for instance `createVolume lose 1`,
 * `* delay=50`, `deleteVolume BUSY 2`, `open PATH_UNAVAILABLE`. CALL is a method of the control port, `open` or `*`; FAULT is
 * `lose` (done, but the answer never comes), `delay=` milliseconds, or an ArrayErrorCode (nothing is done). Without
 * TIMES it stays.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ARRAY_ERROR_CODES, ArrayError, type ArrayErrorCode } from '../../errors/index.ts';
import { DELAY_LONGEST_MS } from './limits.ts';

interface Rule {
  readonly call: string;
  readonly fault: 'lose' | ArrayErrorCode | { readonly delayMs: number };
  left: number;
}

export class FaultPlan {
  #rules: Rule[] = [];

  /** @throws ArrayError INVALID_ARGUMENT */
  add(text: string): void {
    this.#rules.push(ruleOf(text));
  }

  clear(): void {
    this.#rules = [];
  }

  /**
   * Does `work` with what is to go wrong with it.
   * @param changes a lost answer leaves open whether it was done; else it only did not come in time
   */
  async run<T>(
    call: string,
    changes: boolean,
    work: () => T | Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    for (const { fault } of this.#take(call, (rule) => typeof rule.fault === 'object')) {
      if (typeof fault === 'object') await pause(fault.delayMs, signal);
    }
    const [failing] = this.#take(
      call,
      ({ fault }) => typeof fault === 'string' && fault !== 'lose',
      1,
    );
    if (failing !== undefined && typeof failing.fault === 'string' && failing.fault !== 'lose') {
      throw new ArrayError(failing.fault, `${call}: the simulated array was told to fail`, {
        nativeMessage: `simulated ${failing.fault}`,
      });
    }
    const [losing] = changes ? this.#take(call, ({ fault }) => fault === 'lose', 1) : [];
    const result = await work();
    if (losing === undefined) return result;
    throw new ArrayError('UNKNOWN_OUTCOME', `${call}: the answer of the simulated array was lost`);
  }

  /** The rules that apply to this call now, counted down. */
  #take(call: string, kind: (rule: Rule) => boolean, most = Number.POSITIVE_INFINITY): Rule[] {
    const applying = this.#rules
      .filter((rule) => (rule.call === '*' || rule.call === call) && rule.left > 0 && kind(rule))
      .slice(0, most);
    for (const rule of applying) rule.left -= 1;
    this.#rules = this.#rules.filter(({ left }) => left > 0);
    return applying;
  }
}

async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
  } catch {
    throw new ArrayError('CANCELLED', 'the call was given up');
  }
}

function ruleOf(text: string): Rule {
  const wrong = (): ArrayError =>
    new ArrayError('INVALID_ARGUMENT', `${JSON.stringify(text)} is not a fault`, {
      field: 'faults',
      value: text,
      expected: 'CALL FAULT [TIMES], for instance "createVolume lose 1" or "* delay=50"',
    });
  const match = /^(\*|[A-Za-z]+) ([A-Z_]+|lose|delay=\d{1,6})(?: (\d{1,6}))?$/.exec(text);
  const [, call, fault, times] = match ?? [];
  if (call === undefined || fault === undefined) throw wrong();
  const left = times === undefined ? Number.POSITIVE_INFINITY : Number(times);
  if (fault === 'lose') return { call, fault, left };
  if (fault.startsWith('delay=')) {
    const delayMs = Number(fault.slice('delay='.length));
    if (delayMs > DELAY_LONGEST_MS) throw wrong();
    return { call, fault: { delayMs }, left };
  }
  const code = ARRAY_ERROR_CODES.find((each) => each === fault);
  if (code === undefined) throw wrong();
  return { call, fault: code, left };
}
