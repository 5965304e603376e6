/**
 * What is being done with an object now: its `current_operations`, and what cannot be done meanwhile
 * (reference: xapi_vdi.ml, xapi_sr_operations.ml). In memory: what runs ends with the process.
 */
import type { Ref } from './datamodel/description.ts';
import type { Objects } from './objects/objects.ts';
import { xenError } from './xen-error.ts';

/** Whether two operations may run on one object at the same time. */
export type MayShare = (running: string, wanted: string) => boolean;

export class Operations {
  readonly #objects: Objects;
  /** By object: task → operation. */
  readonly #running = new Map<Ref, Map<Ref, string>>();

  constructor(objects: Objects) {
    this.#objects = objects;
  }

  /** The object's `current_operations`. */
  of(ref: Ref): ReadonlyMap<Ref, string> {
    return this.#running.get(ref) ?? NONE;
  }

  /** @throws XenError OTHER_OPERATION_IN_PROGRESS: one runs with the object that may not go on meanwhile */
  refuseOther(className: string, ref: Ref, mayGoOn: (running: string) => boolean): void {
    for (const [task, running] of this.of(ref)) {
      if (mayGoOn(running)) continue;
      throw xenError('OTHER_OPERATION_IN_PROGRESS', className, ref, running, task);
    }
  }

  /**
   * Does `work` as an operation of the object.
   * @throws XenError OTHER_OPERATION_IN_PROGRESS: another one runs that does not share it
   */
  async during<T>(
    target: {
      readonly className: string;
      readonly ref: Ref;
      readonly operation: string;
      readonly task: Ref;
    },
    mayShare: MayShare,
    work: () => T | Promise<T>,
  ): Promise<T> {
    const { className, ref, operation, task } = target;
    this.refuseOther(className, ref, (running) => mayShare(running, operation));
    const running = this.#running.get(ref) ?? new Map<Ref, string>();
    this.#running.set(ref, running.set(task, operation));
    this.#objects.touch(className, ref);
    try {
      return await work();
    } finally {
      running.delete(task);
      if (running.size === 0) this.#running.delete(ref);
      this.#objects.touch(className, ref);
    }
  }
}

const NONE: ReadonlyMap<Ref, string> = new Map();
