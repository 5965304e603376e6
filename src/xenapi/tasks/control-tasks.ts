/**
 * Tasks of the control plane as tasks of XenAPI: those that REST, the command line or the service itself began. What a
 * XenAPI call begins is its own task already.
 */
import { type Control, cancelTask, type TaskRecord } from '../../control/index.ts';
import { isXenActor } from '../dispatch/actor.ts';
import type { FollowedTable, Projection } from '../objects/projector.ts';
import { refOf } from '../objects/refs.ts';
import type { Tasks } from './tasks.ts';

export class ControlTasks implements Projection {
  readonly tables = ['tasks'] as const satisfies readonly FollowedTable[];
  readonly classes = [];
  readonly #control: Control;
  readonly #tasks: Tasks;
  /** Ids of those that are shown and have not ended. */
  readonly #running = new Set<string>();

  constructor(control: Control, tasks: Tasks) {
    this.#control = control;
    this.#tasks = tasks;
  }

  load(): void {
    for (const task of this.#control.tasks.list()) {
      if (task.state === 'running') this.#follow(task);
    }
  }

  changed(_table: FollowedTable, id: string): void {
    const task = this.#control.tasks.get(id);
    if (task !== undefined) this.#follow(task);
  }

  keptChanged(): void {}

  /** To be called about once a second: how far a task is lies in no row. */
  observe(): void {
    for (const id of [...this.#running]) {
      const task = this.#control.tasks.get(id);
      if (task === undefined) this.#end(id, 'failure', ['INTERNAL_ERROR', 'the task is gone']);
      else this.#follow(task);
    }
  }

  #follow(task: TaskRecord): void {
    const { id, state, kind, subject, percent, error, message } = task;
    // Also one that has ended since it began a moment ago.
    if (!this.#running.has(id)) this.#show(task);
    switch (state) {
      case 'running':
        this.#tasks.moveService(refOfTask(id), percent / 100);
        break;
      case 'succeeded':
        this.#end(id, 'success', []);
        break;
      case 'cancelled':
        this.#end(id, 'cancelled', ['TASK_CANCELLED', refOfTask(id)]);
        break;
      case 'failed': {
        const why = error?.message ?? message;
        this.#end(id, 'failure', ['INTERNAL_ERROR', `${kind} of ${subject} failed: ${why}`]);
      }
    }
  }

  #show({ id, kind, subject, actor, createdAt }: TaskRecord): void {
    if (isXenActor(actor)) return;
    this.#running.add(id);
    this.#tasks.showService({
      ...{ id, ref: refOfTask(id), created: createdAt },
      ...{ name: `${kind} ${subject}`, description: `${kind} of ${subject}, by ${actor}` },
      cancel: () => void cancelTask(this.#control, id),
    });
  }

  #end(id: string, status: 'success' | 'failure' | 'cancelled', error: readonly string[]): void {
    if (this.#running.delete(id)) this.#tasks.endService(refOfTask(id), status, error);
  }
}

const refOfTask = (id: string): string => refOf('task', id);
