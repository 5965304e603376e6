/** Replications, their points, failovers and the ways back. */
import {
  type Control,
  CreateReplicationInput,
  createReplication,
  DeleteReplicationQuery,
  deleteReplication,
  FailoverInput,
  failoverReplication,
  items,
  listReplications,
  pauseReplication,
  ReplicationView,
  ResyncInput,
  resumeReplication,
  resyncReplication,
  reverseReplication,
  runReplication,
  showReplication,
  TaskView,
  TestFailoverInput,
  testFailover,
  UpdateReplicationInput,
  updateReplication,
  VerifyReplicationInput,
  verifyReplication,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, Nothing } from './answers.ts';

const tags = ['replications'];

export function replicationRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndCreate(app, control);
    showAndChange(app, control);
    pauseAndResume(app, control);
    runAndProve(app, control);
    failOver(app, control);
  };
}

function listAndCreate(app: ApiInstance, control: Control): void {
  app.get(
    '/replications',
    {
      schema: {
        operationId: 'listReplications',
        summary: 'All replications, by name',
        tags,
        response: answers(200, items(ReplicationView)),
      },
    },
    () => ({ items: [...listReplications(control)] }),
  );
  app.post(
    '/replications',
    {
      schema: {
        operationId: 'createReplication',
        summary: 'Replicate volumes to another repository; the first point is sent at once',
        tags,
        body: CreateReplicationInput,
        response: answers(201, ReplicationView),
      },
    },
    async (request, reply) => {
      const replication = await createReplication(control, request.body);
      reply.code(201).header('location', `/v1/replications/${replication.name}`);
      return replication;
    },
  );
}

function showAndChange(app: ApiInstance, control: Control): void {
  app.get(
    '/replications/:name',
    {
      schema: {
        operationId: 'showReplication',
        summary: 'One replication with its points',
        tags,
        params: NameParameter,
        response: answers(200, ReplicationView),
      },
    },
    (request) => showReplication(control, request.params.name),
  );
  app.patch(
    '/replications/:name',
    {
      schema: {
        operationId: 'updateReplication',
        summary: 'Change what is given, leave the rest; also while a point is being sent',
        tags,
        params: NameParameter,
        body: UpdateReplicationInput,
        response: answers(200, ReplicationView),
      },
    },
    (request) => updateReplication(control, request.params.name, request.body),
  );
  app.delete(
    '/replications/:name',
    {
      schema: {
        operationId: 'deleteReplication',
        summary: 'Delete a replication; the replica is a volume as of its last point from then on',
        tags,
        params: NameParameter,
        querystring: DeleteReplicationQuery,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      await deleteReplication(control, request.params.name, request.query);
      return reply.code(204).send(null);
    },
  );
}

function pauseAndResume(app: ApiInstance, control: Control): void {
  app.post(
    '/replications/:name/pause',
    {
      schema: {
        operationId: 'pauseReplication',
        summary: 'Send nothing until it is resumed; what was being sent goes on then',
        tags,
        params: NameParameter,
        response: answers(200, ReplicationView),
      },
    },
    (request) => pauseReplication(control, request.params.name),
  );
  app.post(
    '/replications/:name/resume',
    {
      schema: {
        operationId: 'resumeReplication',
        summary: 'Send points again, at once',
        tags,
        params: NameParameter,
        response: answers(200, ReplicationView),
      },
    },
    (request) => resumeReplication(control, request.params.name),
  );
}

function runAndProve(app: ApiInstance, control: Control): void {
  app.post(
    '/replications/:name/run',
    {
      schema: {
        operationId: 'runReplication',
        summary: 'Send a point now; answers with the task that does it',
        tags,
        params: NameParameter,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, runReplication(control, request.params.name)),
  );
  app.post(
    '/replications/:name/verify',
    {
      schema: {
        operationId: 'verifyReplication',
        summary: 'Read all of a point and compare it with what was sent',
        tags,
        params: NameParameter,
        body: VerifyReplicationInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(reply, verifyReplication(control, request.params.name, request.body)),
  );
  app.post(
    '/replications/:name/test-failover',
    {
      schema: {
        operationId: 'testFailover',
        summary: 'Clones of a point of the replica, which is not touched',
        tags,
        params: NameParameter,
        body: TestFailoverInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, testFailover(control, request.params.name, request.body)),
  );
}

function failOver(app: ApiInstance, control: Control): void {
  app.post(
    '/replications/:name/failover',
    {
      schema: {
        operationId: 'failoverReplication',
        summary: 'The replica becomes the side that is written',
        tags,
        params: NameParameter,
        body: FailoverInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(reply, failoverReplication(control, request.params.name, request.body)),
  );
  app.post(
    '/replications/:name/reverse',
    {
      schema: {
        operationId: 'reverseReplication',
        summary: 'After a failover: replicate the other way, with differences only',
        tags,
        params: NameParameter,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, reverseReplication(control, request.params.name)),
  );
  app.post(
    '/replications/:name/resync',
    {
      schema: {
        operationId: 'resyncReplication',
        summary: 'Throw away what one side holds and the other has not, and replicate to it',
        tags,
        params: NameParameter,
        body: ResyncInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(reply, resyncReplication(control, request.params.name, request.body)),
  );
}
