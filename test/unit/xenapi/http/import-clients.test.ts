/** Clients that want more than the bare protocol: types, permission to send, an answer that comes early. */
import { once } from 'node:events';
import { request } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../../../src/block/index.ts';
import { contentOf, expectSame, K, M } from '../images/transfers.ts';
import { answerOn, ask, dial, headOf, type ImageServer, imageServer } from './image-server.ts';
import type { MemoryTask, MemoryVdi } from './memory-image-port.ts';

const CONTENT = Buffer.alloc(2 * M, 'content ');

let server: ImageServer;
let session: string;
let vdi: MemoryVdi;
let task: MemoryTask;
beforeAll(async () => {
  server = await imageServer();
});
afterAll(() => server.close());
beforeEach(() => {
  session = server.port.session();
  vdi = server.port.add(new MemoryDevice({ size: CONTENT.length }));
  task = server.port.task();
});

describe('a client of PUT /import_raw_vdi', () => {
  it('may say whatever it likes of the type of the body', async () => {
    for (const type of ['application/octet-stream', 'application/x-www-form-urlencoded', ';;;']) {
      task = server.port.task();
      const query = { vdi: vdi.ref, session_id: session, task_id: task.ref };
      const headers = { 'content-type': type };
      const path = '/import_raw_vdi';
      const answer = await ask(server, { method: 'PUT', path, query, headers, body: CONTENT });
      expect(answer.status).toBe(200);
      expect(task.status).toBe('success');
    }
  });

  it('is told to send when it asks, also where the server leaves that to us', async () => {
    const leaving = await imageServer({}, (app) => {
      app.server.on('checkContinue', (...call) => app.server.emit('request', ...call));
    });
    try {
      for (const one of [server, leaving]) {
        const own = one.port.task();
        const target = one.port.add(new MemoryDevice({ size: 512 }));
        const query = { vdi: target.ref, session_id: one.port.session(), task_id: own.ref };
        const headers = { 'content-length': '512', expect: '100-continue' };
        const socket = dial(one);
        socket.write(headOf({ method: 'PUT', path: '/import_raw_vdi', query, headers }));
        const [first] = await once(socket, 'data');
        expect(String(first)).toMatch(/^HTTP\/1.1 100 /);
        const rest = answerOn(socket);
        socket.write(Buffer.alloc(512, 'x'));
        await rest;
        expect(own.status).toBe('success');
      }
    } finally {
      await leaving.close();
    }
  });

  it('goes on sending when it has the answer, as the one of Node does', async () => {
    const query = new URLSearchParams({ vdi: vdi.ref, session_id: session, task_id: task.ref });
    const sending = request({
      host: '127.0.0.1',
      port: server.number,
      method: 'PUT',
      path: `/import_raw_vdi?${query}`,
      headers: { 'content-length': CONTENT.length },
    });
    sending.flushHeaders();
    const [response] = await once(sending, 'response');
    expect(response.statusCode).toBe(200);
    for (let at = 0; at < CONTENT.length; at += 64 * K) {
      if (!sending.write(CONTENT.subarray(at, at + 64 * K))) await once(sending, 'drain');
      await setImmediate();
    }
    sending.end();
    response.resume();
    await once(response, 'end');
    expect(task.status).toBe('success');
    expectSame(contentOf(vdi.device), CONTENT);
  });
});
