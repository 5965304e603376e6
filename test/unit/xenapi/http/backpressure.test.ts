/** Whoever is slow holds the other side up: nothing is gathered in between. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FaultyDevice, MemoryDevice } from '../../../../src/block/index.ts';
import { until } from '../../../support/until.ts';
import { limited, M } from '../images/transfers.ts';
import { answerOn, dial, headOf, type ImageServer, imageServer } from './image-server.ts';

let server: ImageServer;
beforeAll(async () => {
  server = await imageServer();
});
afterAll(() => server.close());

/** What sockets and a few windows hold. */
const HELD_BYTES = 32 * M;
const SIZE = 80 * M;

/** Settles when a figure has stopped rising. */
async function settled(figure: () => number): Promise<number> {
  let before = -1;
  await until('it stands still', async () => {
    const now = figure();
    await sleep(50);
    const stands = now === before && now === figure();
    before = now;
    return stands;
  });
  return figure();
}

it('reads no further ahead than a few windows while the client takes nothing', async () => {
  const { port } = server;
  let read = 0;
  port.wrap = (device) =>
    new FaultyDevice(device, ({ operation, length }) => {
      if (operation === 'read') read += length;
      return undefined;
    });
  const vdi = port.add(limited(new MemoryDevice({ size: SIZE }), { extents: false }));
  const task = port.task();
  const socket = dial(server);
  const query = { vdi: vdi.ref, session_id: port.session(), task_id: task.ref };
  socket.write(headOf({ method: 'GET', path: '/export_raw_vdi', query }));
  await once(socket, 'readable');
  expect(await settled(() => read)).toBeLessThan(HELD_BYTES);
  const { body, end } = await answerOn(socket);
  expect(end).toBe('closed');
  expect(body.length).toBe(SIZE);
  expect(read).toBe(SIZE);
  expect(task.status).toBe('success');
});

it('takes no more of a body than a few windows while the disk does not write', async () => {
  const { port } = server;
  const gate = Promise.withResolvers<void>();
  let writing = 0;
  port.wrap = (device) =>
    new FaultyDevice(device, ({ operation, length }) => {
      if (operation !== 'write') return undefined;
      writing += length;
      return { delay: gate.promise };
    });
  const vdi = port.add(new MemoryDevice({ size: SIZE }));
  const task = port.task();
  const socket = dial(server);
  const query = { vdi: vdi.ref, session_id: port.session(), task_id: task.ref };
  const headers = { 'content-length': String(SIZE) };
  socket.write(headOf({ method: 'PUT', path: '/import_raw_vdi', query, headers }));
  const answer = answerOn(socket);
  const piece = Buffer.alloc(M, 'piece ');
  let sent = 0;
  const sending = (async () => {
    for (; sent < SIZE; sent += piece.length) {
      if (!socket.write(piece)) await once(socket, 'drain');
    }
  })();
  await until('it writes', () => writing > 0);
  expect(await settled(() => sent)).toBeLessThan(HELD_BYTES);
  expect(writing).toBeLessThanOrEqual(8 * M);
  gate.resolve();
  await sending;
  expect((await answer).status).toBe(200);
  expect(task.status).toBe('success');
});
