/**
 * nfs-ganesha behind the router of netem-router.ts, as a process inside its namespace. Says where it is in one line of
 * JSON, starts the server anew on SIGHUP, and ends it when it is told to leave.
 *
 *   node test/boot/support/routed-ganesha.ts
 */
import { Ganesha } from '../../support/nfs-ganesha.ts';
import { succeed } from '../../support/run-program.ts';
import {
  FAR_ADDRESS,
  FAR_NETWORK,
  FAR_SUBNET,
  NEAR_ADDRESS,
  NEAR_NETWORK,
} from './routed-networks.ts';

export interface RoutedGanesha {
  readonly server: string;
  readonly port: number;
  readonly mountPort: number;
  /** The exported folder, here. */
  readonly folder: string;
}

const ip = (command: string): Promise<unknown> => succeed('ip', command.split(' '));

const ganesha = await Ganesha.start(FAR_SUBNET);
process.once('SIGTERM', async () => {
  await ganesha.stop();
  process.exit(0);
});
process.on('SIGHUP', async () => {
  await ganesha.restart();
  console.log('started anew');
});
try {
  const { namespace, server, port, mountPort } = ganesha;
  const [outer, inner] = ganesha.cable;
  // From here on the first address of its network is the router's, and the only way.
  await ip(`addr flush dev ${outer}`);
  await ip(`link set ${outer} master boot0`);
  await ip(`route add ${FAR_NETWORK} via ${NEAR_ADDRESS}`);
  await ip(`-n ${namespace} link set ${inner} gso_max_segs 1`);
  await ip(`-n ${namespace} neigh flush all`);
  await ip(`-n ${namespace} route add ${NEAR_NETWORK} via ${FAR_ADDRESS}`);
  const where: RoutedGanesha = { server, port, mountPort, folder: ganesha.path() };
  console.log(JSON.stringify(where));
} catch (error) {
  console.error(error);
  await ganesha.stop();
  process.exit(1);
}
// Until it is told to leave.
setInterval(() => undefined, 60_000);
