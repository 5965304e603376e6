/** Snapshots that are taken by themselves. */
import {
  AddSnapshotScheduleInput,
  addSnapshotSchedule,
  type Control,
  deleteSnapshotSchedule,
  items,
  listSnapshotSchedules,
  runSnapshotSchedule,
  SnapshotScheduleView,
  showSnapshotSchedule,
  TaskView,
  UpdateSnapshotScheduleInput,
  updateSnapshotSchedule,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, Nothing } from './answers.ts';

const tags = ['snapshot schedules'];

export function snapshotScheduleRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndAddRoutes(app, control);
    oneRoutes(app, control);
    workRoutes(app, control);
  };
}

function listAndAddRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/snapshot-schedules',
    {
      schema: {
        operationId: 'listSnapshotSchedules',
        summary: 'All snapshot schedules, by name',
        tags,
        response: answers(200, items(SnapshotScheduleView)),
      },
    },
    () => ({ items: [...listSnapshotSchedules(control)] }),
  );
  app.post(
    '/snapshot-schedules',
    {
      schema: {
        operationId: 'addSnapshotSchedule',
        summary: 'Add a snapshot schedule',
        tags,
        body: AddSnapshotScheduleInput,
        response: answers(201, SnapshotScheduleView),
      },
    },
    (request, reply) => {
      const added = addSnapshotSchedule(control, request.body);
      reply.code(201).header('location', `/v1/snapshot-schedules/${added.name}`);
      return added;
    },
  );
}

function oneRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/snapshot-schedules/:name',
    {
      schema: {
        operationId: 'showSnapshotSchedule',
        summary: 'One snapshot schedule',
        tags,
        params: NameParameter,
        response: answers(200, SnapshotScheduleView),
      },
    },
    (request) => showSnapshotSchedule(control, request.params.name),
  );
  app.patch(
    '/snapshot-schedules/:name',
    {
      schema: {
        operationId: 'updateSnapshotSchedule',
        summary: 'Change what is given, leave the rest',
        tags,
        params: NameParameter,
        body: UpdateSnapshotScheduleInput,
        response: answers(200, SnapshotScheduleView),
      },
    },
    (request) => updateSnapshotSchedule(control, request.params.name, request.body),
  );
  app.delete(
    '/snapshot-schedules/:name',
    {
      schema: {
        operationId: 'deleteSnapshotSchedule',
        summary: 'Delete a snapshot schedule',
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      deleteSnapshotSchedule(control, request.params.name);
      return reply.code(204).send(null);
    },
  );
}

function workRoutes(app: ApiInstance, control: Control): void {
  app.post(
    '/snapshot-schedules/:name/run',
    {
      schema: {
        operationId: 'runSnapshotSchedule',
        summary: 'Run it now, beside its own times; answers with the task that does it',
        tags,
        params: NameParameter,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, runSnapshotSchedule(control, request.params.name)),
  );
}
