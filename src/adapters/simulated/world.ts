/** The arrays of one process, by name: they outlive the repositories that are attached to them. */
import { DEFAULT_CAPACITY_BYTES } from './limits.ts';
import { SimulatedArray } from './simulated-array.ts';

export class SimulatedWorld {
  readonly #cut = new Set<string>();
  readonly #arrays = new Map<string, SimulatedArray>();

  get names(): readonly string[] {
    return [...this.#arrays.keys()].sort();
  }

  /** @param capacity bytes, when it is new */
  array(name: string, capacity = DEFAULT_CAPACITY_BYTES): SimulatedArray {
    const array = this.#arrays.get(name) ?? new SimulatedArray(name, capacity);
    this.#arrays.set(name, array);
    return array;
  }

  add(array: SimulatedArray): void {
    this.#arrays.set(array.name, array);
  }

  /** Two arrays do not see each other any more, or do again. */
  connect(one: string, other: string, connected: boolean): void {
    const pair = [one, other].sort().join('\n');
    if (connected) this.#cut.delete(pair);
    else this.#cut.add(pair);
  }

  areConnected(one: string, other: string): boolean {
    return !this.#cut.has([one, other].sort().join('\n'));
  }

  find(name: string): SimulatedArray | undefined {
    return this.#arrays.get(name);
  }
}
