import {
  AddCollectionInput,
  addCollection,
  CollectionView,
  type Control,
  deleteCollection,
  items,
  listCollections,
  showCollection,
  UpdateCollectionInput,
  updateCollection,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, NameParameter, Nothing } from './answers.ts';

const tags = ['collections'];

export function collectionRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndAdd(app, control);
    app.get(
      '/collections/:name',
      {
        schema: {
          operationId: 'showCollection',
          summary: 'One collection with its settings',
          tags,
          params: NameParameter,
          response: answers(200, CollectionView),
        },
      },
      (request) => showCollection(control, request.params.name),
    );
    app.patch(
      '/collections/:name',
      {
        schema: {
          operationId: 'updateCollection',
          summary: 'Change what is given for all of its machines, leave the rest',
          tags,
          params: NameParameter,
          body: UpdateCollectionInput,
          response: answers(200, CollectionView),
        },
      },
      (request) => updateCollection(control, request.params.name, request.body),
    );
    app.delete(
      '/collections/:name',
      {
        schema: {
          operationId: 'deleteCollection',
          summary: 'Delete a collection without machines',
          tags,
          params: NameParameter,
          response: answers(204, Nothing),
        },
      },
      async (request, reply) => {
        deleteCollection(control, request.params.name);
        return reply.code(204).send(null);
      },
    );
  };
}

function listAndAdd(app: ApiInstance, control: Control): void {
  app.get(
    '/collections',
    {
      schema: {
        operationId: 'listCollections',
        summary: 'All collections, by name',
        tags,
        response: answers(200, items(CollectionView)),
      },
    },
    () => ({ items: [...listCollections(control)] }),
  );
  app.post(
    '/collections',
    {
      schema: {
        operationId: 'addCollection',
        summary: 'Add a collection of machines that are treated alike',
        tags,
        body: AddCollectionInput,
        response: answers(201, CollectionView),
      },
    },
    (request, reply) => {
      const collection = addCollection(control, request.body);
      reply.code(201).header('location', `/v1/collections/${collection.name}`);
      return collection;
    },
  );
}
