/** Images and bundles that are a request's body, read as they come. */
import {
  BundleView,
  type Control,
  ReceiveBundleInput,
  receiveBundle,
  showBundle,
  TaskView,
  UploadVdiskInput,
  uploadVdisk,
} from '../../control/index.ts';
import { incomingBody } from '../incoming-body.ts';
import { BYTES, whileAsked } from '../outgoing-body.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, streamedBody } from './answers.ts';

const config = { streams: true, bodyType: BYTES } as const;

export function uploadRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(BYTES, (_request, _payload, done) => done(null));
    uploadImage(app, control);
    uploadBundle(app, control);
  };
}

function uploadImage(app: ApiInstance, control: Control): void {
  app.post(
    '/vdisks/upload',
    {
      config,
      schema: {
        operationId: 'uploadVdisk',
        summary:
          'Import the image that is sent; answers when it has come, with the task that goes on',
        tags: ['vdisks'],
        querystring: UploadVdiskInput,
        body: streamedBody('the image'),
        response: answers(202, TaskView),
      },
    },
    async (request, reply) =>
      accepted(reply, await uploadVdisk(control, request.query, incomingBody(request, reply))),
  );
}

function uploadBundle(app: ApiInstance, control: Control): void {
  app.post(
    '/bundles',
    {
      config,
      schema: {
        operationId: 'receiveBundle',
        summary: 'Import the bundle that is sent; answers when all of it is here, with the task',
        tags: ['bundles'],
        querystring: ReceiveBundleInput,
        body: streamedBody('the bundle'),
        response: answers(200, TaskView),
      },
    },
    (request, reply) => {
      const { pieces } = incomingBody(request, reply);
      return receiveBundle(control, request.query, pieces, whileAsked(reply));
    },
  );
  app.post(
    '/bundles/show',
    {
      config,
      schema: {
        operationId: 'showBundle',
        summary: 'What the bundle holds that is sent, or the beginning of it',
        tags: ['bundles'],
        body: streamedBody('the bundle, as far as its description goes at least'),
        response: answers(200, BundleView),
      },
    },
    (request, reply) => {
      const { pieces } = incomingBody(request, reply);
      return showBundle(control, { kind: 'stream', pieces }, whileAsked(reply));
    },
  );
}
