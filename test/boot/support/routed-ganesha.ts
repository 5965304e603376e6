/**
 * nfs-ganesha behind the router of netem-router.ts, as a process inside its namespace. Says where it is in one line of
 * JSON, starts the server anew on SIGHUP, and ends it when it is told to leave.
 *
 *   node test/boot/support/routed-ganesha.ts
 */
import { startRoutedGanesha } from './route-ganesha.ts';

export interface RoutedGanesha {
  readonly server: string;
  readonly port: number;
  readonly mountPort: number;
  /** The exported folder, here. */
  readonly folder: string;
}

const ganesha = await startRoutedGanesha('single');
process.once('SIGTERM', async () => {
  await ganesha.stop();
  process.exit(0);
});
process.on('SIGHUP', async () => {
  await ganesha.restart();
  console.log('started anew');
});
const { server, port, mountPort } = ganesha;
const where: RoutedGanesha = { server, port, mountPort, folder: ganesha.path() };
console.log(JSON.stringify(where));
// Until it is told to leave.
setInterval(() => undefined, 60_000);
