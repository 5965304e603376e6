/** `node relay-process.ts SOCKET HOST PORT`: passes connections on; started by namespace.ts only. */
import { connect, createServer } from 'node:net';

const [path, host, port] = process.argv.slice(2);
if (path === undefined || host === undefined || port === undefined) process.exit(2);

const server = createServer((near) => {
  const far = connect({ host, port: Number(port), noDelay: true });
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
  near.pipe(far).pipe(near);
});
server.listen(path, () => process.stdout.write('listening\n'));
