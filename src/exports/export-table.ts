import type { Stack, StackBuilder } from './build-stack.ts';
import type { ExportClient, ExportProvider, ExportSummary, OpenExport } from './export.ts';
import type { StackPlan } from './stack-plan.ts';

/** Where plans come from: the control thread. */
export interface PlanSource {
  list(client: ExportClient): Promise<readonly ExportSummary[]>;
  /** Each plan obtained is given back with `release`, once. */
  plan(name: string, client: ExportClient): Promise<StackPlan>;
  release(key: string): void;
}

interface Live {
  readonly stack: Promise<Stack>;
  users: number;
}

/** The live stacks of one worker: connections to the same thing share one stack of devices. */
export class ExportTable implements ExportProvider {
  readonly #source: PlanSource;
  readonly #build: StackBuilder;
  readonly #live = new Map<string, Live>();

  constructor(source: PlanSource, build: StackBuilder) {
    this.#source = source;
    this.#build = build;
  }

  list(client: ExportClient): Promise<readonly ExportSummary[]> {
    return this.#source.list(client);
  }

  async open(name: string, client: ExportClient): Promise<OpenExport> {
    const plan = await this.#source.plan(name, client);
    const live = this.#live.get(plan.key) ?? { stack: this.#build(plan), users: 0 };
    this.#live.set(plan.key, live);
    live.users++;
    let stack: Stack;
    try {
      stack = await live.stack;
    } catch (error) {
      this.#leave(plan.key, live);
      this.#source.release(plan.key);
      throw error;
    }
    let open = true;
    return {
      name: plan.name,
      description: plan.description,
      device: stack.device,
      readOnly: plan.overlay === undefined,
      close: async () => {
        if (!open) return;
        open = false;
        // The overlay may be deleted as soon as it is released: first the devices, then the release.
        try {
          if (this.#leave(plan.key, live)) await stack.close();
        } finally {
          this.#source.release(plan.key);
        }
      },
    };
  }

  /** True when the last user left and the device is the caller's to close. */
  #leave(key: string, live: Live): boolean {
    live.users--;
    if (live.users > 0) return false;
    if (this.#live.get(key) === live) this.#live.delete(key);
    return true;
  }
}
