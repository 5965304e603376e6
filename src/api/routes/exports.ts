import {
  type Control,
  ExportVersionInput,
  exportVersion,
  openVersionContent,
  TaskView,
  VersionContentInput,
} from '../../control/index.ts';
import { sendStream, whileAsked } from '../outgoing-body.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, streamed, VersionParameter } from './answers.ts';

const tags = ['versions'];

export function exportRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.post(
      '/vdisks/:name/versions/:number/export',
      {
        schema: {
          operationId: 'exportVersion',
          summary: 'Write a version as an image into a file of the server',
          tags,
          params: VersionParameter,
          body: ExportVersionInput,
          response: answers(202, TaskView),
        },
      },
      ({ params, body }, reply) =>
        accepted(reply, exportVersion(control, params.name, params.number, body)),
    );
    app.get(
      '/vdisks/:name/versions/:number/content',
      {
        exposeHeadRoute: false, // to say how long it is takes reading all of it
        schema: {
          operationId: 'downloadVersion',
          summary: 'A version as an image; its length is known before it comes',
          tags,
          params: VersionParameter,
          querystring: VersionContentInput,
          response: streamed('the image'),
        },
      },
      async ({ params, query }, reply) => {
        const { fileName, stream } = await openVersionContent(
          control,
          params.name,
          params.number,
          query,
          whileAsked(reply),
        );
        return sendStream(reply, stream, fileName);
      },
    );
  };
}
