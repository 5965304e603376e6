import Type from 'typebox';
import {
  BeginVersionInput,
  beginVersion,
  CaptureMachineInput,
  type Control,
  captureMachine,
  deleteVersion,
  demoteVersion,
  items,
  listVersions,
  MergeVersionInput,
  machineChanges,
  mergeVersion,
  OverlayChangesView,
  PromoteVersionInput,
  promoteVersion,
  RevertVdiskInput,
  revertVdisk,
  sealVersion,
  showVersion,
  TaskView,
  UpdateVdiskInput,
  UpdateVersionInput,
  updateVdisk,
  updateVersion,
  VdiskView,
  VersionView,
  verifyVdisk,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, VersionParameter } from './answers.ts';

const tags = ['versions'];

const Deletion = Type.Object({
  state: Type.Union([Type.Literal('deleted'), Type.Literal('deleting')], {
    description: 'deleting: it goes when its last reader has left',
  }),
});

export function versionRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    lookAndBegin(app, control);
    changeAndDelete(app, control);
    release(app, control);
    work(app, control);
    ofMachines(app, control);
  };
}

function lookAndBegin(app: ApiInstance, control: Control): void {
  app.get(
    '/vdisks/:name/versions',
    {
      schema: {
        operationId: 'listVersions',
        summary: 'The versions of a vDisk, oldest first',
        tags,
        params: NameParameter,
        response: answers(200, items(VersionView)),
      },
    },
    (request) => ({ items: [...listVersions(control, request.params.name)] }),
  );
  app.get(
    '/vdisks/:name/versions/:number',
    {
      schema: {
        operationId: 'showVersion',
        summary: 'One version, with what can be done with it',
        tags,
        params: VersionParameter,
        response: answers(200, VersionView),
      },
    },
    ({ params }) => showVersion(control, params.name, params.number),
  );
  app.post(
    '/vdisks/:name/versions',
    {
      schema: {
        operationId: 'beginVersion',
        summary: 'Begin a version in maintenance, for one machine to write',
        tags,
        params: NameParameter,
        body: BeginVersionInput,
        response: answers(201, VersionView),
      },
    },
    (request, reply) => {
      const { name } = request.params;
      const version = beginVersion(control, name, request.body);
      reply.code(201).header('location', `/v1/vdisks/${name}/versions/${version.number}`);
      return version;
    },
  );
}

function changeAndDelete(app: ApiInstance, control: Control): void {
  app.patch(
    '/vdisks/:name',
    {
      schema: {
        operationId: 'updateVdisk',
        summary: 'Describe a vDisk, or pin it to a version',
        tags: ['vdisks'],
        params: NameParameter,
        body: UpdateVdiskInput,
        response: answers(200, VdiskView),
      },
    },
    (request) => updateVdisk(control, request.params.name, request.body),
  );
  app.patch(
    '/vdisks/:name/versions/:number',
    {
      schema: {
        operationId: 'updateVersion',
        summary: 'Describe a version, or change its kernel arguments',
        tags,
        params: VersionParameter,
        body: UpdateVersionInput,
        response: answers(200, VersionView),
      },
    },
    ({ params, body }) => updateVersion(control, params.name, params.number, body),
  );
  app.delete(
    '/vdisks/:name/versions/:number',
    {
      schema: {
        operationId: 'deleteVersion',
        summary: 'Delete a version, or discard one in maintenance',
        tags,
        params: VersionParameter,
        response: answers(200, Deletion),
      },
    },
    ({ params }) => deleteVersion(control, params.name, params.number),
  );
}

function release(app: ApiInstance, control: Control): void {
  app.post(
    '/vdisks/:name/versions/:number/promote',
    {
      schema: {
        operationId: 'promoteVersion',
        summary: 'Release a version to production machines, now or at a date',
        tags,
        params: VersionParameter,
        body: PromoteVersionInput,
        response: answers(200, VersionView),
      },
    },
    ({ params, body }) => promoteVersion(control, params.name, params.number, body),
  );
  app.post(
    '/vdisks/:name/versions/:number/demote',
    {
      schema: {
        operationId: 'demoteVersion',
        summary: 'Take a version out of production, back to test',
        tags,
        params: VersionParameter,
        response: answers(200, VersionView),
      },
    },
    ({ params }) => demoteVersion(control, params.name, params.number),
  );
  app.post(
    '/vdisks/:name/revert',
    {
      schema: {
        operationId: 'revertVdisk',
        summary: 'Take a release back: machines boot the version before, or the one given',
        tags,
        params: NameParameter,
        body: RevertVdiskInput,
        response: answers(200, VdiskView),
      },
    },
    (request) => revertVdisk(control, request.params.name, request.body),
  );
}

function work(app: ApiInstance, control: Control): void {
  app.post(
    '/vdisks/:name/versions/:number/seal',
    {
      schema: {
        operationId: 'sealVersion',
        summary: 'End maintenance: what was written is the version, in test',
        tags,
        params: VersionParameter,
        response: answers(202, TaskView),
      },
    },
    ({ params }, reply) => accepted(reply, sealVersion(control, params.name, params.number)),
  );
  app.post(
    '/vdisks/:name/versions/:number/merge',
    {
      schema: {
        operationId: 'mergeVersion',
        summary: 'Merge the layers of a version, while machines run from them',
        tags,
        params: VersionParameter,
        body: MergeVersionInput,
        response: answers(202, TaskView),
      },
    },
    ({ params, body }, reply) =>
      accepted(reply, mergeVersion(control, params.name, params.number, body)),
  );
  app.post(
    '/vdisks/:name/versions/:number/verify',
    {
      schema: {
        operationId: 'verifyVersion',
        summary: 'Read a version and compare it with its manifests',
        tags,
        params: VersionParameter,
        response: answers(202, TaskView),
      },
    },
    ({ params }, reply) => accepted(reply, verifyVdisk(control, params.name, params.number)),
  );
  app.post(
    '/vdisks/:name/verify',
    {
      schema: {
        operationId: 'verifyVdisk',
        summary: 'Read all versions and compare them with their manifests',
        tags: ['vdisks'],
        params: NameParameter,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, verifyVdisk(control, request.params.name)),
  );
}

function ofMachines(app: ApiInstance, control: Control): void {
  app.get(
    '/machines/:name/changes',
    {
      schema: {
        operationId: 'machineChanges',
        summary: 'How much the write cache of a machine that is off has changed',
        tags: ['machines'],
        params: NameParameter,
        response: answers(200, OverlayChangesView),
      },
    },
    (request) => machineChanges(control, request.params.name),
  );
  app.post(
    '/machines/:name/capture',
    {
      schema: {
        operationId: 'captureMachine',
        summary: 'Make a version, in test, of what a machine that is off has written',
        tags: ['machines'],
        params: NameParameter,
        body: CaptureMachineInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, captureMachine(control, request.params.name, request.body)),
  );
}
