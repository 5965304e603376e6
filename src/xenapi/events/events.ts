/**
 * Who waits for what to happen (xen-api xapi_event.ml). A change marks those whom it concerns; those are answered
 * together, a moment later. It costs a look at each waiter, whatever there is of objects, and nothing is kept for
 * anybody: what changed lies in the one change log (objects/change-log.ts), also for `next`.
 */
import type { Ref, ValueOf } from '../datamodel/description.ts';
import type { EVENT_BATCH } from '../datamodel/event.ts';
import type { Objects } from '../objects/objects.ts';
import type { Timers } from '../timers.ts';
import { XenError, xenError } from '../xen-error.ts';
import { collectEvents, type Event, type EventClasses, eventClasses } from './collect-events.ts';
import {
  EVENT_BATCH_MS,
  EVENT_FROM_LONGEST_MS,
  EVENT_NEXT_LONGEST_MS,
  MAX_EVENT_WAITERS,
  MAX_EVENT_WAITERS_OF_SESSION,
} from './limits.ts';
import { Subscription } from './subscription.ts';
import { generationIn, tokenOf } from './token.ts';

export type EventBatch = ValueOf<typeof EVENT_BATCH>;

/** Who calls, and what ends the call early besides the end of its session: a cancelled task, a client that is gone. */
export interface EventCall {
  readonly session: Ref;
  readonly signals: readonly AbortSignal[];
}

/** What somebody wants to hear of, and the generation up to which he has. */
interface Interest {
  subscription: Subscription;
  from: number;
}

interface Waiter {
  readonly session: Ref;
  readonly interest: Interest;
  readonly timestamp: () => string;
  /** Something of its interest has changed since `interest.from`. */
  isDue: boolean;
  readonly tell: (batch: EventBatch) => void;
  readonly fail: (error: unknown) => void;
}

/** Events and counts are of one moment: clients compare them (XO the number of tasks). */
interface Taken {
  readonly generation: number;
  readonly batch: EventBatch;
}

/** Of `from`, as xapi says it. */
const NO_TIME = (): string => '0.0';

export class Events {
  readonly #objects: Objects;
  readonly #timers: Timers;
  readonly #classes: EventClasses;
  readonly #waiters = new Set<Waiter>();
  readonly #waitersOf = new Map<Ref, number>();
  /** What `next` tells, by session. */
  readonly #registered = new Map<Ref, Interest>();
  /** What there is up to this generation has been looked at, for all who wait. */
  #looked = 0;
  #isLooking = false;
  #stopFlush: (() => void) | undefined;
  readonly #endOf: (session: Ref) => AbortSignal;
  readonly #unfollow: () => void;

  /** @param endOf aborted when that session ends, with what its calls then end with */
  constructor(objects: Objects, timers: Timers, endOf: (session: Ref) => AbortSignal) {
    this.#objects = objects;
    this.#timers = timers;
    this.#endOf = endOf;
    this.#classes = eventClasses(objects.classes());
    this.#unfollow = objects.onChange(() => this.#scheduleLook());
  }

  /** Whoever waits is answered with nothing. */
  close(): void {
    this.#unfollow();
    this.#stopFlush?.();
    for (const waiter of [...this.#waiters]) this.#answer(waiter, true);
  }

  /**
   * @param timeout seconds
   * @throws XenError EVENT_SUBSCRIPTION_PARSE_FAILURE, EVENT_FROM_TOKEN_PARSE_FAILURE, EVENTS_LOST,
   *   SESSION_INVALID (it ended meanwhile), TOO_MANY_PENDING_TASKS
   */
  async from(
    call: EventCall,
    classes: readonly string[],
    token: string,
    timeout: number,
  ): Promise<EventBatch> {
    const interest = { subscription: Subscription.of(classes), from: generationIn(token) };
    const ms =
      timeout >= 0 ? Math.min(timeout * 1000, EVENT_FROM_LONGEST_MS) : EVENT_FROM_LONGEST_MS;
    return this.#batchOf(call, interest, ms, NO_TIME);
  }

  /** @param className in any case. @throws XenError HANDLE_INVALID */
  inject(className: string, ref: Ref): string {
    const before = this.#objects.generation;
    const wanted = className.toLowerCase();
    const [found] = [...this.#classes].find(([, { name }]) => name === wanted) ?? [];
    if (found === undefined || !this.#objects.touch(found, ref)) {
      throw xenError('HANDLE_INVALID', className, ref);
    }
    return tokenOf(before);
  }

  currentId(): number {
    return this.#objects.generation;
  }

  /** @throws XenError EVENT_SUBSCRIPTION_PARSE_FAILURE, OPERATION_NOT_ALLOWED */
  register(session: Ref, classes: readonly string[]): void {
    const added = Subscription.of(classes);
    const known = this.#registered.get(session);
    if (known !== undefined) {
      known.subscription = known.subscription.with(added);
      return;
    }
    const forget = (): void => void this.#registered.delete(session);
    this.#endOf(session).addEventListener('abort', forget, { once: true });
    this.#registered.set(session, { subscription: added, from: this.#objects.generation });
  }

  /** @throws XenError EVENT_SUBSCRIPTION_PARSE_FAILURE */
  unregister(session: Ref, classes: readonly string[]): void {
    const removed = Subscription.of(classes);
    const interest = this.#registered.get(session);
    if (interest !== undefined) interest.subscription = interest.subscription.without(removed);
  }

  /** @throws XenError SESSION_NOT_REGISTERED, EVENTS_LOST, SESSION_INVALID, TOO_MANY_PENDING_TASKS */
  async next(call: EventCall): Promise<readonly Event[]> {
    const interest = this.#registered.get(call.session);
    if (interest === undefined) throw xenError('SESSION_NOT_REGISTERED', call.session);
    const seconds = () => String(this.#timers.now() / 1000);
    return (await this.#batchOf(call, interest, EVENT_NEXT_LONGEST_MS, seconds)).events;
  }

  #batchOf(
    call: EventCall,
    interest: Interest,
    ms: number,
    timestamp: () => string,
  ): EventBatch | Promise<EventBatch> {
    const batch = this.#take(interest, timestamp());
    if (batch.events.length > 0 || ms === 0) return batch;
    return this.#wait(call, interest, ms, timestamp);
  }

  /**
   * What there is for it now; it knows that from then on.
   * @param made for others at this moment
   * @throws XenError EVENTS_LOST
   */
  #take(interest: Interest, timestamp: string, made?: Map<string, Taken>): EventBatch {
    const { from, subscription } = interest;
    const key = `${from} ${timestamp} ${subscription.key}`;
    const known = made?.get(key);
    if (known !== undefined) {
      interest.from = known.generation;
      return known.batch;
    }
    // First: it settles what is due. What is noted meanwhile is told once more, and never missed.
    const { generation } = this.#objects;
    interest.from = generation;
    if (this.#objects.isLost(from)) throw xenError('EVENTS_LOST');
    const events = collectEvents(this.#objects, this.#classes, { subscription, from }, timestamp);
    const batch = { events, valid_ref_counts: this.#counts(), token: tokenOf(generation) };
    made?.set(key, { generation, batch });
    return batch;
  }

  #counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const [className, { name }] of this.#classes) {
      counts.set(name, this.#objects.count(className));
    }
    return counts;
  }

  #wait(
    { session, signals: given }: EventCall,
    interest: Interest,
    ms: number,
    timestamp: () => string,
  ): Promise<EventBatch> {
    const signals = [...given, this.#endOf(session)];
    const aborted = signals.find((signal) => signal.aborted);
    if (aborted !== undefined) throw endOfCall(aborted);
    const ofSession = this.#waitersOf.get(session) ?? 0;
    if (this.#waiters.size >= MAX_EVENT_WAITERS || ofSession >= MAX_EVENT_WAITERS_OF_SESSION) {
      throw xenError('TOO_MANY_PENDING_TASKS');
    }
    if (this.#waiters.size === 0) this.#looked = interest.from;
    this.#waitersOf.set(session, ofSession + 1);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        stopTimer();
        for (const each of signals) each.removeEventListener('abort', abort);
        this.#waiters.delete(waiter);
        const left = (this.#waitersOf.get(session) ?? 1) - 1;
        if (left === 0) this.#waitersOf.delete(session);
        else this.#waitersOf.set(session, left);
      };
      const waiter: Waiter = {
        ...{ session, interest, timestamp, isDue: false },
        tell: (batch) => {
          end();
          resolve(batch);
        },
        fail: (error) => {
          end();
          reject(error);
        },
      };
      const abort = (event: globalThis.Event): void =>
        waiter.fail(endOfCall(event.target as AbortSignal));
      const stopTimer = this.#timers.after(ms, () => this.#answer(waiter, true));
      for (const each of signals) each.addEventListener('abort', abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** In a later turn: a hundred changes of one turn are looked at once. */
  #scheduleLook(): void {
    if (this.#isLooking || this.#waiters.size === 0) return;
    this.#isLooking = true;
    setImmediate(() => {
      this.#isLooking = false;
      this.#look();
    });
  }

  /** Finds out whom the changes since the last look concern. */
  #look(): void {
    const { generation } = this.#objects; // before what is looked at: nothing falls between
    const changed = new Map<string, Set<Ref>>();
    for (const { className, ref } of [...this.#objects.since(this.#looked)]) {
      const name = this.#classes.get(className)?.name ?? className;
      changed.set(name, (changed.get(name) ?? new Set()).add(ref));
    }
    this.#looked = generation;
    for (const waiter of [...this.#waiters]) {
      const { interest } = waiter;
      if (waiter.isDue) continue;
      if (!interest.subscription.hasAnyOf(changed)) {
        interest.from = generation; // nothing of it up to here
        continue;
      }
      waiter.isDue = true;
      if (interest.subscription.isTaskOnly) this.#answer(waiter, false);
    }
    const isAnyDue = [...this.#waiters].some(({ isDue }) => isDue);
    if (!isAnyDue || this.#stopFlush !== undefined) return;
    this.#stopFlush = this.#timers.after(EVENT_BATCH_MS, () => this.#flush());
  }

  #flush(): void {
    this.#stopFlush = undefined;
    // Most wait for the same since the same moment: it is made once for all of them.
    const made = new Map<string, Taken>();
    for (const waiter of [...this.#waiters]) if (waiter.isDue) this.#answer(waiter, false, made);
  }

  /** It goes on waiting when there is nothing to tell it after all, unless its time is over. */
  #answer(waiter: Waiter, isOver: boolean, made?: Map<string, Taken>): void {
    waiter.isDue = false;
    try {
      const batch = this.#take(waiter.interest, waiter.timestamp(), made);
      if (batch.events.length > 0 || isOver) waiter.tell(batch);
    } catch (error) {
      waiter.fail(error);
    }
  }
}

/** Of a client that is gone the reason is none of ours, and nobody hears it. */
function endOfCall({ reason }: AbortSignal): XenError {
  return reason instanceof XenError ? reason : xenError('INTERNAL_ERROR', 'the client is gone');
}
