import { type Call, type Implementation, implement } from '../../call.ts';
import { TASK } from '../../datamodel/task.ts';
import type { Tasks } from '../../tasks/tasks.ts';
import { xenError } from '../../xen-error.ts';

export function taskMessages(tasks: Tasks): Implementation {
  return implement(TASK, {
    create: ({ caller, task }, { label, description }) =>
      tasks.create({ name: label, description, caller, subtaskOf: task }),
    destroy: ({ caller, task }, { self }) => tasks.destroy(self, caller, task),
    cancel: ({ caller, task: by }, { task }) => tasks.cancel(task, caller, by),
    set_status: ({ caller }, { self, value }) => tasks.setStatus(self, caller, value),
    set_progress: ({ caller }, { self, value }) => tasks.setProgress(self, caller, value),
    set_result: ({ caller }, { self, value }) => tasks.setResult(self, caller, value),
    set_error_info: ({ caller }, { self, value }) => tasks.setErrorInfo(self, caller, value),
    ...otherConfigMessages(tasks),
  });
}

/** Described by the class, and not left to its field: they ask whose task it is. */
function otherConfigMessages(tasks: Tasks) {
  type Self = { readonly self: string };
  return {
    set_other_config: ({ caller }: Call, given: Self & { value: ReadonlyMap<string, string> }) =>
      tasks.changeOtherConfig(given.self, caller, 'task.set_other_config', () => given.value),
    add_to_other_config: ({ caller }: Call, given: Self & { key: string; value: string }) =>
      tasks.changeOtherConfig(given.self, caller, 'task.add_to_other_config', (config) => {
        const { self, key, value } = given;
        if (config.has(key)) throw xenError('MAP_DUPLICATE_KEY', 'task', 'other_config', self, key);
        return config.set(key, value);
      }),
    remove_from_other_config: ({ caller }: Call, given: Self & { key: string }) =>
      tasks.changeOtherConfig(given.self, caller, 'task.remove_from_other_config', (config) => {
        config.delete(given.key);
        return config;
      }),
  };
}
