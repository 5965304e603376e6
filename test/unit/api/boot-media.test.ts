import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import type { BootMediumRequest } from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import { type FakeService, fakeService } from '../control/support/fake-service.ts';

const TOKEN = 'a-token-of-tests';

let service: FakeService;
let app: FastifyInstance;
let failure: Fault | undefined;
const asked: BootMediumRequest[] = [];

beforeAll(() => {
  service = fakeService({
    bootMedia: {
      build: async (request) => {
        asked.push(request);
        if (failure !== undefined) throw failure;
        const content = Buffer.from('an image');
        const pieces = (async function* () {
          yield content;
        })();
        return { length: content.length, pieces, close: async () => {} };
      },
    },
  });
  app = buildApi({ control: service.control, token: TOKEN });
});
beforeEach(() => {
  asked.length = 0;
  failure = undefined;
});
afterAll(() => app.close());

const get = (query: string) =>
  app.inject({
    method: 'GET',
    url: `/v1/boot-media${query}`,
    headers: { authorization: `Bearer ${TOKEN}` },
  });

it('sends an image for any machine, and tells of it', async () => {
  const answer = await get('');
  expect([answer.statusCode, answer.body]).toEqual([200, 'an image']);
  expect(answer.headers['content-length']).toBe('8');
  expect(answer.headers['content-disposition']).toBe('attachment; filename="rootcast-boot.iso"');
  expect(asked).toEqual([{ servers: [], network: undefined }]);
  expect(service.told.at(-1)).toMatchObject({ kind: 'boot-media.created', data: { bytes: 8 } });
});

it('has the servers and the address that were asked for', async () => {
  const query = '?servers=10.0.0.1,10.9.0.1:80&address=10.0.15.33/20&gateway=10.0.0.254';
  expect((await get(query)).statusCode).toBe(200);
  expect(asked).toEqual([
    {
      servers: ['10.0.0.1', '10.9.0.1:80'],
      network: { address: '10.0.15.33', netmask: '255.255.240.0', router: '10.0.0.254' },
    },
  ]);
});

it.each([
  ['?servers=boot.example', 'servers'],
  ['?servers=10.0.0.1,', 'servers'],
  ['?servers=10.0.0.256', 'servers'],
  ['?address=10.0.0.33', 'address'],
  ['?address=10.0.0.33/33', 'address'],
  ['?gateway=10.0.0.1', 'gateway'],
  ['?address=10.0.0.33/24&gateway=10.0.1.1', 'gateway'],
])('refuses %s, naming %s', async (query, field) => {
  const answer = await get(query);
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({
    code: 'INVALID_INPUT',
    field: expect.stringContaining(field),
    expected: expect.any(String),
  });
  expect(asked).toEqual([]);
});

it('says what is to be installed', async () => {
  failure = new Fault('TOOL_MISSING', 'install xorriso', { field: 'bootMedia' });
  const answer = await get('');
  expect(answer.json()).toMatchObject({ code: 'TOOL_MISSING', detail: 'install xorriso' });
});
