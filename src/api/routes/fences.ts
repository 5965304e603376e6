/** Hosts that are cut off from a repository. */
import {
  type Control,
  FenceInput,
  FenceView,
  fenceHost,
  items,
  listFences,
  unfenceHost,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, NameParameter, Nothing } from './answers.ts';

const tags = ['hosts'];

export function fenceRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/repositories/:name/fences',
      {
        schema: {
          operationId: 'listFences',
          summary: 'Who is cut off from it, as the storage says',
          tags,
          params: NameParameter,
          response: answers(200, items(FenceView)),
        },
      },
      async (request) => ({ items: [...(await listFences(control, request.params.name))] }),
    );
    for (const [verb, summary, change] of [
      ['fence', 'Cut it off from a repository, at once', fenceHost],
      ['unfence', 'Let it into a repository again', unfenceHost],
    ] as const) {
      app.post(
        `/hosts/:name/${verb}`,
        {
          schema: {
            operationId: `${verb}Host`,
            summary,
            tags,
            params: NameParameter,
            body: FenceInput,
            response: answers(204, Nothing),
          },
        },
        async (request, reply) => {
          await change(control, request.params.name, request.body);
          return reply.code(204).send(null);
        },
      );
    }
  };
}
