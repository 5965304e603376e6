/** What is called before and after snapshots, replications and failovers. */
import {
  AddHookInput,
  addHook,
  type Control,
  deleteHook,
  HookView,
  items,
  listHooks,
  showHook,
  UpdateHookInput,
  updateHook,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, NameParameter, Nothing } from './answers.ts';

const tags = ['hooks'];

export function hookRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndAddRoutes(app, control);
    oneRoutes(app, control);
  };
}

function listAndAddRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/hooks',
    {
      schema: {
        operationId: 'listHooks',
        summary: 'All hooks, by name',
        tags,
        response: answers(200, items(HookView)),
      },
    },
    () => ({ items: [...listHooks(control)] }),
  );
  app.post(
    '/hooks',
    {
      schema: {
        operationId: 'addHook',
        summary: 'Add a hook',
        tags,
        body: AddHookInput,
        response: answers(201, HookView),
      },
    },
    (request, reply) => {
      const added = addHook(control, request.body);
      reply.code(201).header('location', `/v1/hooks/${added.name}`);
      return added;
    },
  );
}

function oneRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/hooks/:name',
    {
      schema: {
        operationId: 'showHook',
        summary: 'One hook',
        tags,
        params: NameParameter,
        response: answers(200, HookView),
      },
    },
    (request) => showHook(control, request.params.name),
  );
  app.patch(
    '/hooks/:name',
    {
      schema: {
        operationId: 'updateHook',
        summary: 'Change what is given, leave the rest',
        tags,
        params: NameParameter,
        body: UpdateHookInput,
        response: answers(200, HookView),
      },
    },
    (request) => updateHook(control, request.params.name, request.body),
  );
  app.delete(
    '/hooks/:name',
    {
      schema: {
        operationId: 'deleteHook',
        summary: 'Delete a hook',
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      deleteHook(control, request.params.name);
      return reply.code(204).send(null);
    },
  );
}
