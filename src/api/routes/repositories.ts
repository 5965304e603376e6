/** Repositories: storage as a place for volumes. */
import {
  AttachRepositoryInput,
  attachRepository,
  type Control,
  CreateRepositoryInput,
  createRepository,
  deleteRepository,
  detachRepository,
  ForceInput,
  forgetRepository,
  HealthView,
  items,
  listRepositories,
  listRepositoryKinds,
  ProbeInput,
  ProbeView,
  probeStorage,
  RepositoryKindView,
  RepositoryView,
  refreshRepository,
  repositoryHealth,
  showRepository,
  TaskView,
  UpdateRepositoryInput,
  updateRepository,
} from '../../control/index.ts';
import { whileAsked } from '../outgoing-body.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, Nothing } from './answers.ts';

const tags = ['repositories'];

export function repositoryRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    findRoutes(app, control);
    listAndCreateRoutes(app, control);
    oneRoutes(app, control);
    attachRoutes(app, control);
  };
}

function findRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repository-kinds',
    {
      schema: {
        operationId: 'listRepositoryKinds',
        summary: 'Kinds of repositories with their settings',
        tags,
        response: answers(200, items(RepositoryKindView)),
      },
    },
    () => ({ items: [...listRepositoryKinds(control)] }),
  );
  app.post(
    '/repository-kinds/probe',
    {
      schema: {
        operationId: 'probeStorage',
        summary: 'Look for storage, one step further each time; changes nothing',
        tags,
        body: ProbeInput,
        response: answers(200, ProbeView),
      },
    },
    (request, reply) => probeStorage(control, request.body, whileAsked(reply)),
  );
}

function listAndCreateRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repositories',
    {
      schema: {
        operationId: 'listRepositories',
        summary: 'All repositories, by name',
        tags,
        response: answers(200, items(RepositoryView)),
      },
    },
    () => ({ items: [...listRepositories(control)] }),
  );
  app.post(
    '/repositories',
    {
      schema: {
        operationId: 'createRepository',
        summary: 'Attach storage as a repository; answers with the task that does it',
        tags,
        body: CreateRepositoryInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, createRepository(control, request.body)),
  );
}

function oneRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repositories/:name',
    {
      schema: {
        operationId: 'showRepository',
        summary: 'One repository, with what its storage can do',
        tags,
        params: NameParameter,
        response: answers(200, RepositoryView),
      },
    },
    (request) => showRepository(control, request.params.name),
  );
  app.patch(
    '/repositories/:name',
    {
      schema: {
        operationId: 'updateRepository',
        summary: 'Change what is given, leave the rest',
        tags,
        params: NameParameter,
        body: UpdateRepositoryInput,
        response: answers(200, RepositoryView),
      },
    },
    (request) => updateRepository(control, request.params.name, request.body),
  );
  app.delete(
    '/repositories/:name',
    {
      schema: {
        operationId: 'deleteRepository',
        summary: 'Delete an empty repository',
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      await deleteRepository(control, request.params.name);
      return reply.code(204).send(null);
    },
  );
  app.get(
    '/repositories/:name/health',
    {
      schema: {
        operationId: 'repositoryHealth',
        summary: 'Ask the storage how it is, and how full',
        tags,
        params: NameParameter,
        response: answers(200, HealthView),
      },
    },
    (request) => repositoryHealth(control, request.params.name),
  );
  app.post(
    '/repositories/:name/refresh',
    {
      schema: {
        operationId: 'refreshRepository',
        summary: 'Ask how large the storage is by now, and use what it has grown by',
        tags,
        params: NameParameter,
        response: answers(200, RepositoryView),
      },
    },
    (request) => refreshRepository(control, request.params.name),
  );
}

function attachRoutes(app: ApiInstance, control: Control): void {
  app.post(
    '/repositories/:name/attach',
    {
      schema: {
        operationId: 'attachRepository',
        summary: 'Attach one that was detached; answers with the task that does it',
        tags,
        params: NameParameter,
        body: AttachRepositoryInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(reply, attachRepository(control, request.params.name, request.body)),
  );
  app.post(
    '/repositories/:name/detach',
    {
      schema: {
        operationId: 'detachRepository',
        summary: 'Let go of it; nothing on the storage changes',
        tags,
        params: NameParameter,
        body: ForceInput,
        response: answers(200, RepositoryView),
      },
    },
    (request) => detachRepository(control, request.params.name, request.body),
  );
  app.post(
    '/repositories/:name/forget',
    {
      schema: {
        operationId: 'forgetRepository',
        summary: 'Forget a detached one with its volumes; on the storage everything stays',
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      await forgetRepository(control, request.params.name);
      return reply.code(204).send(null);
    },
  );
}
