import type { Socket } from 'node:net';

/** The calls under way of each connection: there are several when a client sends the next before the answer. */
const underWay = new WeakMap<Socket, Set<AbortController>>();

/**
 * Does the work with a signal that is aborted when its connection closes meanwhile. (A request tells of that only
 * until it has been read, a response only when it is its turn.)
 */
export async function whileConnected<T>(
  socket: Socket,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const controllers = controllersOf(socket);
  controllers.add(controller);
  if (socket.destroyed) controller.abort();
  try {
    return await work(controller.signal);
  } finally {
    controllers.delete(controller);
  }
}

function controllersOf(socket: Socket): Set<AbortController> {
  const known = underWay.get(socket);
  if (known !== undefined) return known;
  const controllers = new Set<AbortController>();
  underWay.set(socket, controllers);
  socket.once('close', () => {
    for (const controller of controllers) controller.abort();
  });
  return controllers;
}
