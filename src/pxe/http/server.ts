/**
 * HTTP for machines that boot: scripts, kernels, initrds, boot loaders, and what guests report of themselves. A
 * listener of its own, apart from the API: no token, on the boot network.
 */
import { createReadStream } from 'node:fs';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import {
  type BootCatalog,
  type BootFile,
  type BootFileRequest,
  GUEST_STAGES,
} from '../boot-catalog.ts';
import { isLoaderName, type LoaderFiles } from '../boot-loaders.ts';
import { BOOT_PATH, GRUB_START_PATHS } from '../boot-urls.ts';
import type { PxeReporter } from '../events.ts';
import {
  HTTP_IDLE_TIMEOUT_MS,
  HTTP_REQUEST_TIMEOUT_MS,
  MAX_HTTP_BODY_BYTES,
  MAX_HTTP_CONNECTIONS,
} from '../limits.ts';
import { listenFault } from '../listen-fault.ts';
import { parseMac } from '../mac-address.ts';
import { LAYER_ID } from '../script/kernel-command-line.ts';
import { type ServedScript, servedScript } from '../served-script.ts';
import { askedMac, type MacQuery } from './asked-mac.ts';
import { requestedRange } from './byte-range.ts';
import { CONTENT_TYPE, loaderContentType } from './content-type.ts';
import { addMachineRoutes } from './machine-routes.ts';
import { plain } from './plain.ts';

export interface HttpSetup {
  readonly address: string;
  readonly port: number;
  readonly catalog: BootCatalog;
  readonly loaders: LoaderFiles;
  /** A machine's: this is a boot. Called for GET only. */
  readonly script: (wanted: ServedScript) => Promise<string>;
  readonly report: PxeReporter;
}

export interface BootHttpServer {
  readonly bound: { readonly address: string; readonly port: number };
  close(): Promise<void>;
}

/** @throws Fault ADDRESS_IN_USE, PERMISSION_DENIED, INVALID_INPUT */
export async function startHttpServer(setup: HttpSetup): Promise<BootHttpServer> {
  const server = fastify({
    bodyLimit: MAX_HTTP_BODY_BYTES,
    requestTimeout: HTTP_REQUEST_TIMEOUT_MS,
    connectionTimeout: HTTP_IDLE_TIMEOUT_MS,
    // shim asks for /boot//grubx64.efi.
    routerOptions: { ignoreDuplicateSlashes: true },
    // HEAD must not count as a boot, so it is never derived from GET.
    exposeHeadRoutes: false,
    forceCloseConnections: true,
  });
  server.server.maxConnections = MAX_HTTP_CONNECTIONS;
  server.setErrorHandler((error, _request, reply) => answerError(setup, error, reply));
  server.setNotFoundHandler((_request, reply) => notFound(reply));
  // Reports of guests may come with any body, or none; what it is called does not count.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  addRoutes(server, setup);
  try {
    await server.listen({ host: setup.address, port: setup.port });
  } catch (error) {
    await server.close();
    throw listenFault(error, {
      service: 'The boot HTTP server',
      address: setup.address,
      port: setup.port,
      field: 'pxe.ports.http',
      usualOwners: 'another web server',
    });
  }
  const bound = server.addresses().find((entry) => typeof entry !== 'string');
  return {
    bound: { address: bound?.address ?? setup.address, port: bound?.port ?? setup.port },
    close: () => server.close(),
  };
}

function addRoutes(server: FastifyInstance, setup: HttpSetup): void {
  const method = ['GET', 'HEAD'];
  server.route<{ Querystring: MacQuery }>({
    method: ['GET', 'POST'],
    url: `${BOOT_PATH}/ready`,
    handler: (request, reply) => ready(setup, request.query, request, reply),
  });
  server.route<{ Querystring: StageQuery }>({
    method: ['GET', 'POST'],
    url: `${BOOT_PATH}/stage`,
    handler: (request, reply) => guestStage(setup, request.query, reply),
  });
  server.route<{ Querystring: PersonalityQuery }>({
    method,
    url: `${BOOT_PATH}/personality`,
    handler: (request, reply) => servePersonality(setup, request.query, request, reply),
  });
  addMachineRoutes(server, setup.catalog);
  for (const url of GRUB_START_PATHS.flatMap((path) => [path, `${BOOT_PATH}${path}`])) {
    server.route({
      method,
      url,
      handler: (request, reply) => serveScript(setup, { kind: 'grub-start' }, request, reply),
    });
  }
  server.route<{ Params: { name: string } }>({
    method,
    url: `${BOOT_PATH}/:name`,
    handler: (request, reply) => serveNamed(setup, request.params.name, request, reply),
  });
  server.route<{ Params: { mac: string; layerId: string; role: string } }>({
    method,
    url: `${BOOT_PATH}/:mac/:layerId/:role`,
    handler: (request, reply) => serveBootFile(setup, request.params, request, reply),
  });
}

function answerError(setup: HttpSetup, error: unknown, reply: FastifyReply): FastifyReply {
  const status = (error as { statusCode?: unknown }).statusCode;
  // Fastify's own refusals: a body too large, a path that is no URL …
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return plain(reply, status, 'the request cannot be understood');
  }
  setup.report({ type: 'failure', where: 'http', error });
  return plain(reply, 500, 'an internal error, see the log of the server');
}

function notFound(reply: FastifyReply): FastifyReply {
  return plain(reply, 404, 'no such file');
}

function ready(
  { report }: HttpSetup,
  query: MacQuery,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const mac = askedMac(query, reply);
  if (mac === undefined) return reply;
  report({ type: 'machine-ready', mac, address: request.ip });
  return reply.code(204).send();
}

interface StageQuery extends MacQuery {
  readonly stage?: string | readonly string[];
}

/** How far a guest has come, told by itself. */
function guestStage({ report }: HttpSetup, query: StageQuery, reply: FastifyReply): FastifyReply {
  const mac = askedMac(query, reply);
  if (mac === undefined) return reply;
  const stage = GUEST_STAGES.find((one) => one === query.stage);
  if (stage === undefined) {
    const expected = GUEST_STAGES.join(', ');
    return plain(reply, 400, `stage: expected one of ${expected}`);
  }
  report({ type: 'machine-stage', mac, stage });
  return reply.code(204).send();
}

interface PersonalityQuery extends MacQuery {
  readonly format?: string | readonly string[];
}

async function servePersonality(
  { catalog }: HttpSetup,
  query: PersonalityQuery,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const mac = askedMac(query, reply);
  if (mac === undefined) return reply;
  const { format = 'json' } = query;
  if (format !== 'json' && format !== 'env') {
    return plain(reply, 400, 'format: expected json or env');
  }
  const text = await catalog.personality(mac, format);
  if (text === undefined) return notFound(reply);
  reply.type(CONTENT_TYPE[format]).header('cache-control', 'no-store');
  return reply.send(request.method === 'HEAD' ? '' : text);
}

async function serveScript(
  setup: HttpSetup,
  script: ServedScript,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  reply.type(CONTENT_TYPE.script).header('cache-control', 'no-store');
  if (script.kind === 'machine' && request.method !== 'HEAD') {
    setup.report({ type: 'script-asked', mac: script.mac, address: request.ip });
  }
  return reply.send(request.method === 'HEAD' ? '' : await setup.script(script));
}

async function serveNamed(
  setup: HttpSetup,
  name: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const script = servedScript(`/${name}`);
  if (script !== undefined) return serveScript(setup, script, request, reply);
  if (!isLoaderName(name)) return notFound(reply);
  const loader = await setup.loaders.load(name);
  if (loader.kind === 'missing') {
    setup.report({ type: 'loader-missing', file: name, message: loader.message });
    return plain(reply, 404, loader.message);
  }
  const { content } = loader;
  reply.type(loaderContentType(name));
  const range = applyRange(request, reply, { size: content.length, tag: undefined });
  if (range === undefined) return reply;
  if (request.method === 'HEAD') return reply.header('content-length', range.length).send();
  setup.report({ type: 'loader-served', address: request.ip, file: name });
  return reply.send(content.subarray(range.start, range.start + range.length));
}

async function serveBootFile(
  setup: HttpSetup,
  params: { readonly mac: string; readonly layerId: string; readonly role: string },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const mac = parseMac(params.mac);
  const { layerId, role } = params;
  if (mac === undefined || !LAYER_ID.test(layerId)) return notFound(reply);
  if (role !== 'kernel' && role !== 'initrd') return notFound(reply);
  const wanted: BootFileRequest = { mac, layerId, role };
  const file = await setup.catalog.openFile(wanted);
  if (file === undefined) return notFound(reply);
  reply.type(CONTENT_TYPE.binary);
  // A layer never changes, so its id makes a strong validator.
  const range = applyRange(request, reply, { size: file.size, tag: `"${layerId}-${role}"` });
  if (range === undefined) return reply;
  reply.header('content-length', range.length);
  if (request.method === 'HEAD') return reply.send();
  return sendFile(setup, wanted, { file, range, reply });
}

interface ChosenRange {
  readonly start: number;
  readonly length: number;
}

/** Sets status and headers; undefined: it has answered that there is no such range. */
function applyRange(
  request: FastifyRequest,
  reply: FastifyReply,
  resource: { readonly size: number; readonly tag: string | undefined },
): ChosenRange | undefined {
  const { size, tag } = resource;
  reply.header('accept-ranges', 'bytes');
  if (tag !== undefined) reply.header('etag', tag);
  const condition = request.headers['if-range'];
  const header = condition === undefined || condition === tag ? request.headers.range : undefined;
  const range = requestedRange(header, size);
  switch (range.kind) {
    case 'whole':
      return { start: 0, length: size };
    case 'part':
      reply.code(206).header('content-range', `bytes ${range.first}-${range.last}/${size}`);
      return { start: range.first, length: range.last - range.first + 1 };
    case 'unsatisfiable':
      plain(reply.header('content-range', `bytes */${size}`), 416, 'no such range');
      return undefined;
  }
}

function sendFile(
  setup: HttpSetup,
  wanted: BootFileRequest,
  served: { readonly file: BootFile; readonly range: ChosenRange; readonly reply: FastifyReply },
): FastifyReply {
  const { file, range, reply } = served;
  const stream = createReadStream(file.path, {
    start: range.start,
    end: Math.max(range.start, range.start + range.length - 1),
  });
  let bytes = 0;
  stream.on('data', (chunk) => {
    bytes += chunk.length;
  });
  reply.raw.once('close', () => {
    const complete = reply.raw.writableFinished && bytes === range.length;
    setup.report({ type: 'file-served', ...wanted, bytes, complete });
  });
  return reply.send(range.length === 0 ? '' : stream);
}
