/** Which hosts reach a volume. */
import {
  type Control,
  ForceInput,
  items,
  listMappings,
  MappingView,
  MapVolumeInput,
  mapVolume,
  unmapVolume,
} from '../../control/index.ts';
import type { ApiInstance } from '../route-provider.ts';
import { answers, MappingParameter, Nothing, VolumeParameter } from './answers.ts';

const tags = ['mappings'];

export function mappingRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    listAndMapRoutes(app, control);
    unmapRoutes(app, control);
  };
}

function listAndMapRoutes(app: ApiInstance, control: Control): void {
  app.get(
    '/repositories/:name/volumes/:volume/mappings',
    {
      schema: {
        operationId: 'listMappings',
        summary: 'Who reaches it, as the storage says',
        tags,
        params: VolumeParameter,
        response: answers(200, items(MappingView)),
      },
    },
    async (request) => ({
      items: [...(await listMappings(control, request.params.name, request.params.volume))],
    }),
  );
  app.post(
    '/repositories/:name/volumes/:volume/mappings',
    {
      schema: {
        operationId: 'mapVolume',
        summary: 'Let a host reach it',
        tags,
        params: VolumeParameter,
        body: MapVolumeInput,
        response: answers(201, MappingView),
      },
    },
    async (request, reply) => {
      const added = await mapVolume(
        control,
        request.params.name,
        request.params.volume,
        request.body,
      );
      reply
        .code(201)
        .header(
          'location',
          `/v1/repositories/${request.params.name}/volumes/${request.params.volume}/mappings`,
        );
      return added;
    },
  );
}

function unmapRoutes(app: ApiInstance, control: Control): void {
  app.delete(
    '/repositories/:name/volumes/:volume/mappings',
    {
      schema: {
        operationId: 'unmapVolumeFromAll',
        summary: 'No host reaches it any more',
        tags,
        params: VolumeParameter,
        querystring: ForceInput,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      await unmapVolume(
        control,
        request.params.name,
        request.params.volume,
        undefined,
        request.query,
      );
      return reply.code(204).send(null);
    },
  );
  app.delete(
    '/repositories/:name/volumes/:volume/mappings/:host',
    {
      schema: {
        operationId: 'unmapVolume',
        summary: 'A host does not reach it any more',
        tags,
        params: MappingParameter,
        querystring: ForceInput,
        response: answers(204, Nothing),
      },
    },
    async (request, reply) => {
      await unmapVolume(
        control,
        request.params.name,
        request.params.volume,
        request.params.host,
        request.query,
      );
      return reply.code(204).send(null);
    },
  );
}
