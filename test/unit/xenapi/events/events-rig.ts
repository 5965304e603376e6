/** Events over a small datamodel, whose objects the test makes, and a clock that the test turns. */
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
import { TASK } from '../../../../src/xenapi/datamodel/task.ts';
import { type EventBatch, Events } from '../../../../src/xenapi/events/events.ts';
import { emptyRecord } from '../../../../src/xenapi/objects/defaults.ts';
import { Objects } from '../../../../src/xenapi/objects/objects.ts';
import { XenError } from '../../../../src/xenapi/xen-error.ts';
import { laterTurns, ManualTimers } from '../manual-timers.ts';
import { BOOK, SHELF } from '../support.ts';

export const SESSION = 'OpaqueRef:session';
const FIRST_GENERATION = 100;

export class EventsRig {
  readonly objects = new Objects([SHELF, BOOK, TASK], FIRST_GENERATION);
  readonly timers = new ManualTimers();
  readonly sessions = new Map<Ref, AbortController>();
  readonly events = new Events(
    this.objects,
    this.timers,
    (session) => this.#session(session).signal,
  );

  shelf(name: string, label = name): Ref {
    return this.#put('Shelf', name, { ...emptyRecord(SHELF), uuid: name, name_label: label });
  }

  book(name: string, shelf: Ref, pages = 1): Ref {
    return this.#put('Book', name, { ...emptyRecord(BOOK), uuid: name, shelf, pages });
  }

  task(name: string, progress = 0): Ref {
    return this.#put('task', name, { ...emptyRecord(TASK), uuid: name, progress });
  }

  remove(className: string, name: string): void {
    this.objects.delete(className, refOf(name));
  }

  from(
    classes: readonly string[],
    token = '',
    timeout = 0,
    { session = SESSION, signal = new AbortController().signal } = {},
  ): Promise<EventBatch> {
    return this.events.from({ session, signals: [signal] }, classes, token, timeout);
  }

  next(session = SESSION) {
    return this.events.next({ session, signals: [] });
  }

  /** A token of now. */
  async now(): Promise<string> {
    return (await this.from(['*'])).token;
  }

  /** So much later, with all that was due. */
  async later(ms: number): Promise<void> {
    await laterTurns();
    this.timers.pass(ms);
    await laterTurns();
  }

  end(session: Ref): void {
    this.#session(session).abort(new XenError('SESSION_INVALID', [session]));
  }

  #session(session: Ref): AbortController {
    const known = this.sessions.get(session) ?? new AbortController();
    this.sessions.set(session, known);
    return known;
  }

  #put(className: string, name: string, record: Record<string, unknown>): Ref {
    const ref = refOf(name);
    this.objects.put(className, ref, record, { kind: 'own', id: name });
    return ref;
  }
}

export const refOf = (name: string): Ref => `OpaqueRef:${name}`;

/** `add shelf/OpaqueRef:a` … */
export function told({ events }: Pick<EventBatch, 'events'>): readonly string[] {
  return events.map((event) => `${event.operation} ${event.class}/${event.ref}`);
}

/** Whether it is settled, and how, without waiting for it. */
export function watched<T>(promise: Promise<T>): {
  value: T | undefined;
  error: unknown;
  isSettled: boolean;
} {
  const state = {
    value: undefined as T | undefined,
    error: undefined as unknown,
    isSettled: false,
  };
  promise.then(
    (value) => Object.assign(state, { value, isSettled: true }),
    (error: unknown) => Object.assign(state, { error, isSettled: true }),
  );
  return state;
}
