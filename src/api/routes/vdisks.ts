import {
  type Control,
  deleteVdisk,
  ImportVdiskInput,
  importVdisk,
  items,
  listVdisks,
  showVdisk,
  TaskView,
  VdiskView,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, Nothing } from './answers.ts';

const tags = ['vdisks'];

export function vdiskRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/vdisks',
      {
        schema: {
          operationId: 'listVdisks',
          summary: 'All vDisks, by name',
          tags,
          response: answers(200, items(VdiskView)),
        },
      },
      () => ({ items: [...listVdisks(control)] }),
    );
    app.post(
      '/vdisks',
      {
        schema: {
          operationId: 'importVdisk',
          summary: 'Import an image as a vDisk; answers with the task that does it',
          tags,
          body: ImportVdiskInput,
          response: answers(202, TaskView),
        },
      },
      (request, reply) => accepted(reply, importVdisk(control, request.body)),
    );
    app.get(
      '/vdisks/:name',
      {
        schema: {
          operationId: 'showVdisk',
          summary: 'One vDisk with its versions',
          tags,
          params: NameParameter,
          response: answers(200, VdiskView),
        },
      },
      (request) => showVdisk(control, request.params.name),
    );
    app.delete(
      '/vdisks/:name',
      {
        schema: {
          operationId: 'deleteVdisk',
          summary: 'Delete a vDisk that nothing uses',
          tags,
          params: NameParameter,
          response: answers(204, Nothing),
        },
      },
      async (request, reply) => {
        await deleteVdisk(control, request.params.name);
        return reply.code(204).send(null);
      },
    );
  };
}
