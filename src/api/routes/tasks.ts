import {
  type Control,
  cancelTask,
  items,
  listTasks,
  showTask,
  TaskView,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, parameter } from './answers.ts';

const tags = ['tasks'];
const IdParameter = parameter('id', 'the id of a task');

export function taskRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/tasks',
      {
        schema: {
          operationId: 'listTasks',
          summary: 'All tasks, newest first',
          tags,
          response: answers(200, items(TaskView)),
        },
      },
      () => ({ items: [...listTasks(control)] }),
    );
    app.get(
      '/tasks/:id',
      {
        schema: {
          operationId: 'showTask',
          summary: 'One task',
          tags,
          params: IdParameter,
          response: answers(200, TaskView),
        },
      },
      (request) => showTask(control, request.params.id),
    );
    app.post(
      '/tasks/:id/cancel',
      {
        schema: {
          operationId: 'cancelTask',
          summary: 'Ask a task to stop; a finished one stays as it is',
          tags,
          params: IdParameter,
          response: answers(200, TaskView),
        },
      },
      (request) => cancelTask(control, request.params.id),
    );
  };
}
