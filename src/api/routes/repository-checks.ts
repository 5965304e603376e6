/** What Rootcast keeps on storage besides data: checked, and repaired. */
import {
  CheckRepositoryInput,
  CheckStorageInput,
  type Control,
  checkRepository,
  checkStorage,
  TaskView,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter } from './answers.ts';

const tags = ['repositories'];

export function repositoryCheckRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.post(
      '/repositories/:name/check',
      {
        schema: {
          operationId: 'checkRepository',
          summary:
            'Check the metadata of one that is not attached; answers with the task that does it',
          tags,
          params: NameParameter,
          body: CheckRepositoryInput,
          response: answers(202, TaskView),
        },
      },
      (request, reply) =>
        accepted(reply, checkRepository(control, request.params.name, request.body)),
    );
    app.post(
      '/repository-kinds/check',
      {
        schema: {
          operationId: 'checkStorage',
          summary: 'The same, of storage that is no repository of this service',
          tags,
          body: CheckStorageInput,
          response: answers(202, TaskView),
        },
      },
      (request, reply) => accepted(reply, checkStorage(control, request.body)),
    );
  };
}
