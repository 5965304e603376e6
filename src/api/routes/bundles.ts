/** vDisks that go to another server and come from one, but for bundles that are a request's body. */
import Type from 'typebox';
import {
  BundleQuery,
  BundleView,
  ChunksQuery,
  type Control,
  ExportBundleInput,
  exportBundle,
  ImportBundleInput,
  InventoryView,
  importBundle,
  openBundle,
  openChunks,
  PullBundleInput,
  pullBundle,
  showBundle,
  showInventory,
  TaskView,
} from '../../control/index.ts';
import { MAX_CHUNK_REQUEST_BYTES, MAX_INVENTORY_BODY_BYTES } from '../limits.ts';
import { BYTES, sendStream, whileAsked } from '../outgoing-body.ts';
import type { ApiInstance } from '../route-provider.ts';
import { accepted, answers, NameParameter, streamed } from './answers.ts';

const tags = ['bundles'];

export function bundleRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    send(app, control);
    receive(app, control);
    app.register(chunkRoutes(control));
  };
}

const numbersOf = (text: string | undefined): readonly number[] | undefined =>
  text?.split(',').map(Number);

function send(app: ApiInstance, control: Control): void {
  const open = async (
    { name, query, has }: { name: string; query: BundleQuery; has: readonly string[] },
    reply: Parameters<typeof sendStream>[0],
  ) => {
    const { versions, chunks = 'lacking' } = query;
    const selection = { versions: numbersOf(versions), has, chunks };
    const { fileName, stream } = await openBundle(control, name, selection, whileAsked(reply));
    return sendStream(reply, stream, fileName);
  };
  app.get(
    '/vdisks/:name/bundle',
    {
      exposeHeadRoute: false,
      schema: {
        operationId: 'downloadBundle',
        summary: 'A vDisk with its versions, for a server that has nothing of it (docs/BUNDLE.md)',
        tags,
        params: NameParameter,
        querystring: BundleQuery,
        response: streamed('the bundle'),
      },
    },
    ({ params, query }, reply) => open({ name: params.name, query, has: [] }, reply),
  );
  app.post(
    '/vdisks/:name/bundle',
    {
      bodyLimit: MAX_INVENTORY_BODY_BYTES,
      schema: {
        operationId: 'downloadLackingBundle',
        summary: 'The same without what the receiver says it has',
        tags,
        params: NameParameter,
        querystring: BundleQuery,
        body: InventoryView,
        response: streamed('the bundle'),
      },
    },
    ({ params, query, body }, reply) =>
      open({ name: params.name, query, has: body.contentIds }, reply),
  );
  app.post(
    '/vdisks/:name/bundle/export',
    {
      bodyLimit: MAX_INVENTORY_BODY_BYTES,
      schema: {
        operationId: 'exportBundle',
        summary: 'Write a bundle into a file of the server',
        tags,
        params: NameParameter,
        body: ExportBundleInput,
        response: answers(202, TaskView),
      },
    },
    ({ params, body }, reply) => accepted(reply, exportBundle(control, params.name, body)),
  );
}

function receive(app: ApiInstance, control: Control): void {
  app.get(
    '/inventory',
    {
      schema: {
        operationId: 'showInventory',
        summary: 'What this server has, for one that sends it a bundle',
        tags,
        response: answers(200, InventoryView),
      },
    },
    () => showInventory(control),
  );
  app.get(
    '/bundles',
    {
      schema: {
        operationId: 'showBundleFile',
        summary: 'What a bundle holds that is a file of the server',
        tags,
        querystring: Type.Object({ path: ImportBundleInput.properties.path }),
        response: answers(200, BundleView),
      },
    },
    ({ query }, reply) =>
      showBundle(control, { kind: 'file', path: query.path }, whileAsked(reply)),
  );
  app.post(
    '/bundles/import',
    {
      schema: {
        operationId: 'importBundleFile',
        summary: 'Import a bundle that is a file of the server',
        tags,
        body: ImportBundleInput,
        response: answers(202, TaskView),
      },
    },
    async ({ body }, reply) =>
      accepted(reply, await importBundle(control, body, whileAsked(reply))),
  );
  app.post(
    '/bundles/pull',
    {
      schema: {
        operationId: 'pullBundle',
        summary: 'Fetch a vDisk from another server, as far as it is lacking here',
        tags,
        body: PullBundleInput,
        response: answers(202, TaskView),
      },
    },
    ({ body }, reply) => accepted(reply, pullBundle(control, body)),
  );
}

function chunkRoutes(control: Control) {
  return async (app: ApiInstance): Promise<void> => {
    app.removeAllContentTypeParsers();
    const options = { parseAs: 'buffer', bodyLimit: MAX_CHUNK_REQUEST_BYTES } as const;
    app.addContentTypeParser(BYTES, options, (_request, body, done) => done(null, body));
    app.post(
      '/chunks',
      {
        bodyLimit: MAX_CHUNK_REQUEST_BYTES,
        config: { bodyType: BYTES },
        schema: {
          operationId: 'downloadChunks',
          summary: 'Chunks by their hashes, for a server that receives a bundle (docs/BUNDLE.md)',
          tags,
          querystring: ChunksQuery,
          response: streamed('the chunks'),
        },
      },
      async ({ query, body }, reply) => {
        const request = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
        const numbers = numbersOf(query.versions);
        const signal = whileAsked(reply);
        return sendStream(reply, await openChunks(control, query.vdisk, numbers, request, signal));
      },
    );
  };
}
