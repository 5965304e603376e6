/** Who did it, over a real listener: contexts get lost on sockets, not in `inject`. */
import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import { type FakeService, fakeService, withVdisk } from '../control/support/fake-service.ts';

const TOKEN = 'audit-token';

let service: FakeService;
let app: FastifyInstance;
let base: URL;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  app = buildApi({ control: service.control, token: TOKEN });
  base = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
});
afterEach(() => app.close());

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  readonly user?: string;
  readonly agent?: Agent;
}

interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

function open({ method, path, body, user, agent }: Sent): ClientRequest {
  return request(new URL(path, base), {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(user === undefined ? {} : { 'x-rootcast-user': user }),
    },
    ...(agent === undefined ? {} : { agent }),
  });
}

async function answerOf(sent: ClientRequest): Promise<Answered> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: (await json(response)) as Answered['body'] };
}

function call(sent: Sent): Promise<Answered> {
  const outgoing = open(sent);
  const answer = answerOf(outgoing);
  outgoing.end(sent.body === undefined ? undefined : JSON.stringify(sent.body));
  return answer;
}

const mac = (number: number): string => `52540000${number.toString(16).padStart(4, '0')}`;
const machine = (name: string, number: number): object => ({
  name,
  mac: mac(number),
  vdisk: 'debian',
});

describe('the actor of a request', () => {
  test('is the administrator, what the client says of its user, and where it is', async () => {
    await call({ method: 'POST', path: '/v1/machines', body: machine('pc-1', 1) });
    await call({
      method: 'PATCH',
      path: '/v1/machines/pc-1',
      body: { class: 'test' },
      user: 'root@admin-3',
    });
    const { body } = await call({ method: 'GET', path: '/v1/events?actor=people' });
    expect(body['items']).toMatchObject([
      { kind: 'machine.changed', actor: 'admin from 127.0.0.1 (says root@admin-3)' },
      { kind: 'machine.added', actor: 'admin from 127.0.0.1' },
    ]);
    const all = await call({ method: 'GET', path: '/v1/events' });
    expect((all.body['items'] as object[]).at(-1)).toMatchObject({ actor: 'service' });
  });

  test.each(['x'.repeat(129), 'caf\u00e9'])(
    'that says %j is refused, and nothing is done',
    async (user) => {
      const answer = await call({
        method: 'POST',
        path: '/v1/machines',
        body: machine('a', 1),
        user,
      });
      expect(answer).toMatchObject({
        status: 400,
        body: { code: 'INVALID_INPUT', field: 'x-rootcast-user' },
      });
      expect(service.control.catalog.machines.count()).toBe(0);
    },
  );

  test('is never that of another request, however they come in', async () => {
    // One socket for both, and one each; bodies in pieces, so that they arrive on the socket's own time.
    const shared = new Agent({ keepAlive: true, maxSockets: 1 });
    const work = async (user: string, index: number, agent?: Agent): Promise<void> => {
      const name = `${user}-${index}`;
      const number = index * 4 + (user === 'anna' ? 0 : 1) + (agent === undefined ? 0 : 2);
      const body = machine(agent === undefined ? name : `${name}-shared`, number);
      const outgoing = open({
        method: 'POST',
        path: '/v1/machines',
        body,
        user,
        ...(agent === undefined ? {} : { agent }),
      });
      const answer = answerOf(outgoing);
      const text = JSON.stringify(body);
      outgoing.write(text.slice(0, 7));
      await setImmediate();
      outgoing.end(text.slice(7));
      expect((await answer).status).toBe(201);
    };
    const works = Array.from({ length: 20 }, (_, index) =>
      ['anna', 'ben'].flatMap((user) => [work(user, index), work(user, index, shared)]),
    );
    await Promise.all(works.flat());
    shared.destroy();
    const added = service.told.filter(({ kind }) => kind === 'machine.added');
    expect(added).toHaveLength(80);
    for (const { subject, actor } of added) {
      const user = subject.startsWith('machine/anna') ? 'anna' : 'ben';
      expect([subject, actor]).toEqual([subject, `admin from 127.0.0.1 (says ${user})`]);
    }
  });

  test('is that of the tasks it starts, to their end', async () => {
    service.images.instant = false;
    const users = ['anna', 'ben'];
    const started = await Promise.all(
      users.map((user) =>
        call({ method: 'POST', path: '/v1/vdisks', body: { name: user, path: '/x' }, user }),
      ),
    );
    for (const pending of service.images.pending) pending.finish();
    for (const [index, { status, body }] of started.entries()) {
      const actor = `admin from 127.0.0.1 (says ${users[index]})`;
      const id = String(body['id']);
      expect([status, body['actor']]).toEqual([202, actor]);
      await service.control.tasks.settled(id);
      const task = await call({ method: 'GET', path: `/v1/tasks/${id}` });
      expect(task.body).toMatchObject({ state: 'succeeded', actor });
      const imported = service.told.filter(({ subject }) => subject === `vdisk/${users[index]}`);
      expect(imported.map((event) => [event.kind, event.actor])).toEqual([
        ['vdisk.import-started', actor],
        ['vdisk.imported', actor],
      ]);
    }
  });
});
