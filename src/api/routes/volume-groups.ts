/** Volumes whose snapshots are of one moment. */
import {
  AddVolumeGroupInput,
  addVolumeGroup,
  type Control,
  deleteVolumeGroup,
  GroupSnapshotInput,
  items,
  listVolumeGroups,
  showVolumeGroup,
  snapshotVolumeGroup,
  TaskView,
  UpdateVolumeGroupInput,
  updateVolumeGroup,
  VolumeGroupView,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, Nothing } from './answers.ts';

const tags = ['volume groups'];

export function volumeGroupRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndAddRoutes(app, control);
    oneRoutes(app, control);
    workRoutes(app, control);
  };
}

function listAndAddRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/volume-groups',
    {
      schema: {
        operationId: 'listVolumeGroups',
        summary: 'All volume groups, by name',
        tags,
        response: answers(200, items(VolumeGroupView)),
      },
    },
    () => ({ items: [...listVolumeGroups(control)] }),
  );
  app.post(
    '/volume-groups',
    {
      schema: {
        operationId: 'addVolumeGroup',
        summary: 'Add a volume group',
        tags,
        body: AddVolumeGroupInput,
        response: answers(201, VolumeGroupView),
      },
    },
    (request, reply) => {
      const added = addVolumeGroup(control, request.body);
      reply.code(201).header('location', `/v1/volume-groups/${added.name}`);
      return added;
    },
  );
}

function oneRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/volume-groups/:name',
    {
      schema: {
        operationId: 'showVolumeGroup',
        summary: 'One volume group',
        tags,
        params: NameParameter,
        response: answers(200, VolumeGroupView),
      },
    },
    (request) => showVolumeGroup(control, request.params.name),
  );
  app.patch(
    '/volume-groups/:name',
    {
      schema: {
        operationId: 'updateVolumeGroup',
        summary: 'Change what is given, leave the rest',
        tags,
        params: NameParameter,
        body: UpdateVolumeGroupInput,
        response: answers(200, VolumeGroupView),
      },
    },
    (request) => updateVolumeGroup(control, request.params.name, request.body),
  );
  app.delete(
    '/volume-groups/:name',
    {
      schema: {
        operationId: 'deleteVolumeGroup',
        summary: 'Delete a volume group',
        tags,
        params: NameParameter,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      deleteVolumeGroup(control, request.params.name);
      return reply.code(204).send(null);
    },
  );
}

function workRoutes(app: ApiInstance, control: Control): void {
  app.post(
    '/volume-groups/:name/snapshots',
    {
      schema: {
        operationId: 'snapshotVolumeGroup',
        summary:
          'Take snapshots of all its volumes, of one moment; answers with the task that does it',
        tags,
        params: NameParameter,
        body: GroupSnapshotInput,
        response: answers(202, TaskView),
      },
    },
    (request, reply) =>
      accepted(reply, snapshotVolumeGroup(control, request.params.name, request.body)),
  );
}
