import type { PlanSource, StackPlan } from '../exports/index.ts';

/** Plans that are there before the table asks for them, by a name that is theirs alone. */
export class GivenPlans implements PlanSource {
  readonly #plans = new Map<string, StackPlan>();
  readonly #released: (key: string, name: string) => void;
  #last = 0;

  constructor(released: (key: string, name: string) => void) {
    this.#released = released;
  }

  give(plan: StackPlan): string {
    this.#last += 1;
    const name = `plan ${this.#last}`;
    this.#plans.set(name, plan);
    return name;
  }

  async list(): Promise<readonly []> {
    return [];
  }

  async plan(name: string): Promise<StackPlan> {
    const plan = this.#plans.get(name);
    this.#plans.delete(name);
    if (plan === undefined) throw new TypeError('a plan that nobody gave');
    return plan;
  }

  release(key: string, name: string): void {
    this.#released(key, name);
  }
}
