/** Copies of vDisks' layers in other repositories. */
import Type from 'typebox';
import {
  type Control,
  items,
  listVdiskReplicas,
  ReplicateVdiskInput,
  replicateVdisk,
  TaskView,
  unreplicateVdisk,
  VdiskReplicaView,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, Nothing, parameter } from './answers.ts';

const tags = ['vdisks'];

const ReplicaParameter = Type.Object({
  ...NameParameter.properties,
  ...parameter('repository', 'the name of a repository').properties,
});

export function vdiskReplicaRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.get(
      '/vdisks/:name/replicas',
      {
        schema: {
          operationId: 'listVdiskReplicas',
          summary: 'Repositories that have copies of its layers, and what they lack',
          tags,
          params: NameParameter,
          response: answers(200, items(VdiskReplicaView)),
        },
      },
      (request) => ({ items: [...listVdiskReplicas(control, request.params.name)] }),
    );
    app.post(
      '/vdisks/:name/replicas',
      {
        schema: {
          operationId: 'replicateVdisk',
          summary: 'Copy all layers to another repository, and what is sealed later as well',
          tags,
          params: NameParameter,
          body: ReplicateVdiskInput,
          response: answers(202, TaskView),
        },
      },
      (request, reply) =>
        accepted(reply, replicateVdisk(control, request.params.name, request.body)),
    );
    app.delete(
      '/vdisks/:name/replicas/:repository',
      {
        schema: {
          operationId: 'unreplicateVdisk',
          summary: 'Delete the copies that are in a repository',
          tags,
          params: ReplicaParameter,
          response: answers(204, Nothing),
        },
      },
      async (request, reply) => {
        const { name, repository } = request.params;
        await unreplicateVdisk(control, name, repository);
        return reply.code(204).send(null);
      },
    );
  };
}
