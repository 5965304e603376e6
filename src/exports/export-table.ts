import { ReadOnlyDevice } from '../block/index.ts';
import type { StackBuilder } from './build-stack.ts';
import type { ExportClient, ExportProvider, ExportSummary, OpenExport } from './export.ts';
import { LiveStack } from './live-stack.ts';
import type { StackPlan, VolumePlan } from './stack-plan.ts';

/** Where plans come from: the control thread. */
export interface PlanSource {
  list(client: ExportClient): Promise<readonly ExportSummary[]>;
  /** Each plan obtained is given back with `release` of its key and its name, once. */
  plan(name: string, client: ExportClient): Promise<StackPlan>;
  release(key: string, name: string): void;
}

/** The live stacks of one worker: connections to the same thing share one stack of devices. */
export class ExportTable implements ExportProvider {
  readonly #source: PlanSource;
  readonly #build: StackBuilder;
  readonly #live = new Map<string, LiveStack>();
  /** Stacks that nobody uses any more, while they are closed. */
  readonly #closing = new Map<string, Set<Promise<void>>>();

  constructor(source: PlanSource, build: StackBuilder) {
    this.#source = source;
    this.#build = build;
  }

  list(client: ExportClient): Promise<readonly ExportSummary[]> {
    return this.#source.list(client);
  }

  async open(name: string, client: ExportClient): Promise<OpenExport> {
    const plan = await this.#source.plan(name, client);
    const live = this.#live.get(plan.key) ?? new LiveStack(plan, this.#build);
    this.#live.set(plan.key, live);
    live.users++;
    let own: Awaited<ReturnType<LiveStack['device']>>;
    try {
      own = await live.device();
    } catch (error) {
      this.#leave(plan.key, live);
      this.#source.release(plan.key, plan.name);
      throw error;
    }
    let open = true;
    const isView = plan.volume !== undefined && plan.view === 'read-only';
    return {
      name: plan.name,
      description: plan.description,
      device: isView ? new ReadOnlyDevice(own.device) : own.device,
      readOnly: plan.volume === undefined ? plan.overlay === undefined : isView || plan.readOnly,
      close: async () => {
        if (!open) return;
        open = false;
        // The overlay may be deleted as soon as it is released: first the devices, then the release.
        try {
          await own.close();
          if (this.#leave(plan.key, live)) await this.#close(plan.key, live);
        } finally {
          this.#source.release(plan.key, plan.name);
        }
      },
    };
  }

  /**
   * Holds the requests of these volumes; settles when none of them runs any more. What is not open here has
   * none.
   * @param options.flush what was written is on stable storage too
   * @throws what a flush throws; requests are held in any case, until `resume`
   */
  async hold(keys: readonly string[], options: { readonly flush: boolean }): Promise<void> {
    const held = keys.flatMap((key) => [
      this.#live.get(key)?.hold(options),
      ...(this.#closing.get(key) ?? []),
    ]);
    for (const result of await Promise.allSettled(held)) {
      if (result.status === 'rejected') throw result.reason;
    }
  }

  /**
   * Lets them go on, with what they are made of now. One without a plan goes on as it was; one that is
   * refused must not go on with that, and there is nothing else.
   * @returns the keys of those that cannot: every request to them fails
   */
  async resume(
    keys: readonly string[],
    plans: ReadonlyMap<string, VolumePlan | 'refused'>,
  ): Promise<readonly { readonly key: string; readonly error: unknown }[]> {
    const failed: { key: string; error: unknown }[] = [];
    await Promise.all(
      keys.map(async (key) => {
        try {
          await this.#live.get(key)?.resume(plans.get(key));
        } catch (error) {
          failed.push({ key, error });
        }
      }),
    );
    return failed;
  }

  async #close(key: string, live: LiveStack): Promise<void> {
    const closing = this.#closing.get(key) ?? new Set();
    const closed = live.close();
    this.#closing.set(key, closing.add(closed));
    try {
      await closed;
    } finally {
      closing.delete(closed);
      if (closing.size === 0) this.#closing.delete(key);
    }
  }

  /** True when the last user left and the device is the caller's to close. */
  #leave(key: string, live: LiveStack): boolean {
    live.users--;
    if (live.users > 0) return false;
    if (this.#live.get(key) === live) this.#live.delete(key);
    return true;
  }
}
