/** How hooks are carried out: the service starts programs and calls other servers, tests do neither. */
import type { HookAction } from './catalog/storage/records.ts';

export interface HookCall {
  readonly action: HookAction;
  readonly timeoutMs: number;
  /** Names of what it is about: variables of a program (`ROOTCAST_VOLUMES` …), the body of a webhook. */
  readonly facts: Readonly<Record<string, string>>;
  /** Of a webhook, for its Authorization header. A secret. */
  readonly token: string | undefined;
}

export interface HookEnd {
  readonly succeeded: boolean;
  /** For people: `exit code 1`, `HTTP 503`, `did not end within 30 s` … */
  readonly how: string;
  /** What it said, as far as it is kept. */
  readonly output: string;
}

export interface HookRunner {
  /** Settles when it has ended, been ended at its time, or by the signal. Never rejects. */
  run(call: HookCall, signal: AbortSignal): Promise<HookEnd>;
  /** @throws Fault INVALID_INPUT, NOT_FOUND for what could not be carried out */
  check(action: HookAction): void;
}
