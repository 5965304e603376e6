/** Snapshots of the volumes of a repository: VOLUME@SNAPSHOT, or an id. */
import {
  CloneInput,
  type Control,
  CreateSnapshotInput,
  cloneSnapshot,
  createSnapshot,
  DiffInput,
  DiffView,
  deleteSnapshot,
  diffSnapshots,
  ListSnapshotsInput,
  listSnapshots,
  page,
  SnapshotView,
  showSnapshot,
  TaskView,
  UpdateSnapshotInput,
  updateSnapshot,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, SnapshotParameter } from './answers.ts';

const tags = ['snapshots'];

export function snapshotRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndCreateRoutes(app, control);
    oneRoutes(app, control);
    workRoutes(app, control);
  };
}

function listAndCreateRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repositories/:name/snapshots',
    {
      schema: {
        operationId: 'listSnapshots',
        summary: 'Snapshots of a repository or of a volume, oldest first, page by page',
        tags,
        params: NameParameter,
        querystring: ListSnapshotsInput,
        response: answers(200, page(SnapshotView)),
      },
    },
    (request) => listSnapshots(control, request.params.name, request.query),
  );
  app.post(
    '/repositories/:name/snapshots',
    {
      schema: {
        operationId: 'createSnapshot',
        summary: 'Take snapshots of one moment; answers with the task that does it',
        tags,
        params: NameParameter,
        body: CreateSnapshotInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, createSnapshot(control, request.params.name, request.body)),
  );
}

function oneRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repositories/:name/snapshots/:snapshot',
    {
      schema: {
        operationId: 'showSnapshot',
        summary: 'One snapshot',
        tags,
        params: SnapshotParameter,
        response: answers(200, SnapshotView),
      },
    },
    (request) => showSnapshot(control, request.params.name, request.params.snapshot),
  );
  app.patch(
    '/repositories/:name/snapshots/:snapshot',
    {
      schema: {
        operationId: 'updateSnapshot',
        summary: 'Rename, describe, hold or release it',
        tags,
        params: SnapshotParameter,
        body: UpdateSnapshotInput,
        response: answers(200, SnapshotView),
      },
    },
    (request) =>
      updateSnapshot(control, request.params.name, request.params.snapshot, request.body),
  );
  app.delete(
    '/repositories/:name/snapshots/:snapshot',
    {
      schema: {
        operationId: 'deleteSnapshot',
        summary: 'Delete it and nothing else; answers with the task that does it',
        tags,
        params: SnapshotParameter,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(reply, deleteSnapshot(control, request.params.name, request.params.snapshot)),
  );
}

function workRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repositories/:name/snapshots/:snapshot/diff',
    {
      schema: {
        operationId: 'diffSnapshots',
        summary: 'What may differ from an earlier one, or all that it holds, page by page',
        tags,
        params: SnapshotParameter,
        querystring: DiffInput,
        response: answers(200, DiffView),
      },
    },
    (request) =>
      diffSnapshots(control, request.params.name, request.params.snapshot, request.query),
  );
  app.post(
    '/repositories/:name/snapshots/:snapshot/clone',
    {
      schema: {
        operationId: 'cloneSnapshot',
        summary: 'Make a volume of it; answers with the task that does it',
        tags,
        params: SnapshotParameter,
        body: CloneInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(
        reply,
        cloneSnapshot(control, request.params.name, request.params.snapshot, request.body),
      ),
  );
}
