/** Who may log in to XenAPI. */
import {
  AddXenUserInput,
  addXenUser,
  type Control,
  deleteXenUser,
  items,
  listXenUsers,
  showXenUser,
  UpdateXenUserInput,
  updateXenUser,
  XenUserView,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, NameParameter, Nothing } from './answers.ts';

const tags = ['xen-users'];

export function xenUserRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndAddRoutes(app, control);
    oneRoutes(app, control);
  };
}

function listAndAddRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/xen-users',
    {
      schema: {
        operationId: 'listXenUsers',
        summary: 'All users of XenAPI, root first, then by name',
        tags,
        response: answers(200, items(XenUserView)),
      },
    },
    () => ({ items: [...listXenUsers(control)] }),
  );
  app.post(
    '/xen-users',
    {
      schema: {
        operationId: 'addXenUser',
        summary: 'Add a user of XenAPI',
        tags,
        body: AddXenUserInput,
        response: answers(201, XenUserView),
      },
    },
    async (request, reply) => {
      const added = await addXenUser(control, request.body);
      reply.code(201).header('location', `/v1/xen-users/${added.name}`);
      return added;
    },
  );
}

function oneRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/xen-users/:name',
    {
      schema: {
        operationId: 'showXenUser',
        summary: 'One user of XenAPI',
        tags,
        params: NameParameter,
        response: answers(200, XenUserView),
      },
    },
    (request) => showXenUser(control, request.params.name),
  );
  app.patch(
    '/xen-users/:name',
    {
      schema: {
        operationId: 'updateXenUser',
        summary: 'Change what is given, leave the rest; sessions of the user follow at once',
        tags,
        params: NameParameter,
        body: UpdateXenUserInput,
        response: answers(200, XenUserView),
      },
    },
    (request) => updateXenUser(control, request.params.name, request.body),
  );
  app.delete(
    '/xen-users/:name',
    {
      schema: {
        operationId: 'deleteXenUser',
        summary: 'Delete a user of XenAPI; its sessions end',
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      deleteXenUser(control, request.params.name);
      return reply.code(204).send(null);
    },
  );
}
