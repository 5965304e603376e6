/** Volumes of repositories. */
import {
  AdoptVolumeInput,
  adoptVolume,
  CloneInput,
  type Control,
  CreateVolumeInput,
  cloneVolume,
  createVolume,
  deleteVolume,
  ForeignVolumeView,
  items,
  listForeignVolumes,
  listVolumes,
  PageInput,
  page,
  ResizeVolumeInput,
  RevertVolumeInput,
  resizeVolume,
  revertVolume,
  showVolume,
  splitVolume,
  TaskView,
  UpdateVolumeInput,
  updateVolume,
  VolumeLiveView,
  VolumeView,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, VolumeParameter } from './answers.ts';

const tags = ['volumes'];

export function volumeRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndCreateRoutes(app, control);
    oneRoutes(app, control);
    workRoutes(app, control);
  };
}

function listAndCreateRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repositories/:name/volumes',
    {
      schema: {
        operationId: 'listVolumes',
        summary: 'Volumes of a repository, by name, page by page',
        tags,
        params: NameParameter,
        querystring: PageInput,
        response: answers(200, page(VolumeView)),
      },
    },
    (request) => listVolumes(control, request.params.name, request.query),
  );
  app.post(
    '/repositories/:name/volumes',
    {
      schema: {
        operationId: 'createVolume',
        summary: 'Create a volume; answers with the task that does it',
        tags,
        params: NameParameter,
        body: CreateVolumeInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) => accepted(reply, createVolume(control, request.params.name, request.body)),
  );
  app.get(
    '/repositories/:name/foreign-volumes',
    {
      schema: {
        operationId: 'listForeignVolumes',
        summary: 'Volumes on the storage that are not ours',
        tags,
        params: NameParameter,
        response: answers(200, items(ForeignVolumeView)),
      },
    },
    async (request) => ({ items: [...(await listForeignVolumes(control, request.params.name))] }),
  );
  app.post(
    '/repositories/:name/adopted-volumes',
    {
      schema: {
        operationId: 'adoptVolume',
        summary: 'Take over a volume that is on the storage already',
        tags,
        params: NameParameter,
        body: AdoptVolumeInput,
        response: answers(201, VolumeView),
      },
    },
    async (request, reply) => {
      const added = await adoptVolume(control, request.params.name, request.body);
      reply
        .code(201)
        .header('location', `/v1/repositories/${added.repository}/volumes/${added.name}`);
      return added;
    },
  );
}

function oneRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repositories/:name/volumes/:volume',
    {
      schema: {
        operationId: 'showVolume',
        summary: 'One volume, with what the storage says of it now',
        tags,
        params: VolumeParameter,
        response: answers(200, VolumeLiveView),
      },
    },
    (request) => showVolume(control, request.params.name, request.params.volume),
  );
  app.patch(
    '/repositories/:name/volumes/:volume',
    {
      schema: {
        operationId: 'updateVolume',
        summary: 'Change its name or description',
        tags,
        params: VolumeParameter,
        body: UpdateVolumeInput,
        response: answers(200, VolumeView),
      },
    },
    (request) => updateVolume(control, request.params.name, request.params.volume, request.body),
  );
  app.delete(
    '/repositories/:name/volumes/:volume',
    {
      schema: {
        operationId: 'deleteVolume',
        summary: 'Delete a volume that nothing uses; answers with the task that does it',
        tags,
        params: VolumeParameter,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(reply, deleteVolume(control, request.params.name, request.params.volume)),
  );
}

function workRoutes(app: ApiInstance, control: Control): void {
  app.post(
    '/repositories/:name/volumes/:volume/resize',
    {
      schema: {
        operationId: 'resizeVolume',
        summary: 'Make it larger; answers with the task that does it',
        tags,
        params: VolumeParameter,
        body: ResizeVolumeInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(
        reply,
        resizeVolume(control, request.params.name, request.params.volume, request.body),
      ),
  );
  app.post(
    '/repositories/:name/volumes/:volume/clone',
    {
      schema: {
        operationId: 'cloneVolume',
        summary: 'Clone a volume as it is now; answers with the task that does it',
        tags,
        params: VolumeParameter,
        body: CloneInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(
        reply,
        cloneVolume(control, request.params.name, request.params.volume, request.body),
      ),
  );
  app.post(
    '/repositories/:name/volumes/:volume/split',
    {
      schema: {
        operationId: 'splitVolume',
        summary: 'Give a linked clone all of its blocks; answers with the task that does it',
        tags,
        params: VolumeParameter,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(reply, splitVolume(control, request.params.name, request.params.volume)),
  );
  app.post(
    '/repositories/:name/volumes/:volume/revert',
    {
      schema: {
        operationId: 'revertVolume',
        summary: 'Make it what it was at a snapshot; answers with the task that does it',
        tags,
        params: VolumeParameter,
        body: RevertVolumeInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(
        reply,
        revertVolume(control, request.params.name, request.params.volume, request.body),
      ),
  );
}
