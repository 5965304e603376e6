/** Finding what to attach: monitors, then a pool, then whether it holds a repository already. */
import { randomUUID } from 'node:crypto';
import type { Connection, ProbeAnswer, ProbeFinding } from '../../repositories/index.ts';
import { cephCapabilities } from './capabilities.ts';
import { Cluster } from './cluster.ts';
import { fsidOf } from './cluster-state.ts';
import { Images } from './images.ts';
import { Ownership } from './ownership.ts';
import { Replication } from './replication.ts';
import { readSettings } from './settings.ts';
import { asShape, count, optionalText, shapesOf, text } from './shape.ts';

/** Changes nothing in the cluster. @throws ArrayError */
export async function probeCeph(
  connection: Omit<Connection, 'repositoryId'>,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const settings = readSettings(connection);
  if (settings.monHosts.length === 0 && settings.conf === undefined) {
    return { step: 'address', choose: 'monHosts', found: [] };
  }
  const cluster = await Cluster.open(`probe ${randomUUID()}`, settings);
  try {
    if (settings.pool === undefined) {
      return { step: 'pool', choose: 'pool', found: await poolsOf(cluster, signal) };
    }
    const images = new Images(cluster);
    const repositoryId = await Ownership.of(images);
    const finding: ProbeFinding = {
      value: cluster.place,
      description: `${cluster.place} of cluster ${await fsidOf(cluster)}`,
      settings: {},
      ...(repositoryId === undefined ? {} : { holds: { repositoryId } }),
    };
    const mirrored = (await Replication.of(cluster, images)) !== undefined;
    const capabilities = cephCapabilities(mirrored);
    return { step: 'ready', choose: undefined, found: [finding], capabilities };
  } finally {
    await cluster.close();
  }
}

/** Pools that `rbd pool init` has made for images. */
async function poolsOf(cluster: Cluster, signal: AbortSignal): Promise<readonly ProbeFinding[]> {
  const call = { what: 'list the pools', signal };
  const pools = shapesOf(await cluster.cephJson(['osd', 'pool', 'ls', 'detail'], call), call.what);
  return pools
    .filter((pool) => 'rbd' in asShape(pool['application_metadata'] ?? {}, call.what))
    .map((pool) => ({
      value: text(pool, 'pool_name'),
      description: `${count(pool, 'size')} copies of everything${optionalText(pool, 'erasure_code_profile') ? ', erasure coded' : ''}`,
      settings: {},
    }));
}
