import { createServer } from 'node:net';

/** Above what Linux gives to outgoing connections (32768 to 60999), which may take any of those at any moment. */
const LOWEST = 61_000;
const HIGHEST = 65_500;

/** Two that are asked for at once must not get the same before either has used it. */
const given = new Set<number>();

/** A port of the loopback interface that is free, and is given to nobody else in this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
}

/** Whether nobody listens there now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
