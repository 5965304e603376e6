/** Hosts that volumes are mapped to. */
import {
  AddHostInput,
  addHost,
  type Control,
  deleteHost,
  HostView,
  items,
  listHosts,
  showHost,
  UpdateHostInput,
  updateHost,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, NameParameter, Nothing } from './answers.ts';

const tags = ['hosts'];

export function hostRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndAddRoutes(app, control);
    oneRoutes(app, control);
  };
}

function listAndAddRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/hosts',
    {
      schema: {
        operationId: 'listHosts',
        summary: 'All hosts, by name',
        tags,
        response: answers(200, items(HostView)),
      },
    },
    () => ({ items: [...listHosts(control)] }),
  );
  app.post(
    '/hosts',
    {
      schema: {
        operationId: 'addHost',
        summary: 'Add a host',
        tags,
        body: AddHostInput,
        response: answers(201, HostView),
      },
    },
    (request, reply) => {
      const added = addHost(control, request.body);
      reply.code(201).header('location', `/v1/hosts/${added.name}`);
      return added;
    },
  );
}

function oneRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/hosts/:name',
    {
      schema: {
        operationId: 'showHost',
        summary: 'One host',
        tags,
        params: NameParameter,
        response: answers(200, HostView),
      },
    },
    (request) => showHost(control, request.params.name),
  );
  app.patch(
    '/hosts/:name',
    {
      schema: {
        operationId: 'updateHost',
        summary: 'Change what is given, leave the rest',
        tags,
        params: NameParameter,
        body: UpdateHostInput,
        response: answers(200, HostView),
      },
    },
    (request) => updateHost(control, request.params.name, request.body),
  );
  app.delete(
    '/hosts/:name',
    {
      schema: {
        operationId: 'deleteHost',
        summary: 'Delete a host',
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      deleteHost(control, request.params.name);
      return reply.code(204).send(null);
    },
  );
}
