import { Ganesha } from '../../support/nfs-ganesha.ts';
import { succeed } from '../../support/run-program.ts';
import {
  FAR_ADDRESS,
  FAR_CABLE,
  FAR_NETWORK,
  NEAR_ADDRESS,
  NEAR_NETWORK,
} from './routed-networks.ts';

const ip = (command: string): Promise<unknown> => succeed('ip', command.split(' '));

/** Starts nfs-ganesha behind the router of netem-router.ts; called inside its namespace. @param segments as the router's */
export async function startRoutedGanesha(segments: 'single' | 'joined'): Promise<Ganesha> {
  const ganesha = await Ganesha.start(FAR_CABLE);
  try {
    const { namespace } = ganesha;
    const [outer, inner] = ganesha.cable;
    // From here on the first address of its network is the router's, and the only way.
    await ip(`addr flush dev ${outer}`);
    await ip(`link set ${outer} master boot0`);
    await ip(`route add ${FAR_NETWORK} via ${NEAR_ADDRESS}`);
    if (segments === 'single') await ip(`-n ${namespace} link set ${inner} gso_max_segs 1`);
    await ip(`-n ${namespace} neigh flush all`);
    await ip(`-n ${namespace} route add ${NEAR_NETWORK} via ${FAR_ADDRESS}`);
    return ganesha;
  } catch (error) {
    await ganesha.stop();
    throw error;
  }
}
