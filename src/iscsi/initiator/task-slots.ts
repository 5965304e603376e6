/** The commands in flight of one connection, found by initiator task tag. A tag comes again late, so that a stale answer is noticed. */
import type { Task } from './task.ts';

/** Tags from here on are those of pings, task management and logout. */
export const MANAGEMENT_TAGS = 0xf0000000;
const SLOT_BITS = 12;
const SLOT_MASK = (1 << SLOT_BITS) - 1;
const GENERATIONS = MANAGEMENT_TAGS / 2 ** SLOT_BITS;

export class TaskSlots {
  readonly #tasks: (Task | undefined)[];
  readonly #free: number[] = [];
  #generation = 0;

  constructor(count: number) {
    this.#tasks = Array.from({ length: count }, () => undefined);
    for (let slot = count - 1; slot >= 0; slot -= 1) this.#free.push(slot);
  }

  get used(): number {
    return this.#tasks.length - this.#free.length;
  }

  /** @returns the tag. There must be a free slot. */
  take(task: Task): number {
    const slot = this.#free.pop() ?? 0;
    this.#tasks[slot] = task;
    this.#generation = (this.#generation + 1) % GENERATIONS;
    return this.#generation * 2 ** SLOT_BITS + slot;
  }

  find(itt: number): Task | undefined {
    const task = this.#tasks[itt & SLOT_MASK];
    return task?.itt === itt ? task : undefined;
  }

  release(task: Task): void {
    const slot = task.itt & SLOT_MASK;
    if (this.#tasks[slot] !== task) return;
    this.#tasks[slot] = undefined;
    this.#free.push(slot);
  }

  *all(): Iterable<Task> {
    for (const task of this.#tasks) if (task !== undefined) yield task;
  }
}
