/** What the cluster says of itself: version, space, health. */
import { ArrayError } from '../../errors/index.ts';
import type { ArrayHealth, HealthState, RepositorySpace } from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import { asList, asShape, count, optionalText, type Shape, shapesOf, text } from './shape.ts';

const STATES: Readonly<Record<string, HealthState>> = {
  HEALTH_OK: 'good',
  HEALTH_WARN: 'degraded',
  HEALTH_ERR: 'failed',
};

/** `ceph version 16.2.15 (…) pacific (stable)`, of the programs that we run; the daemons may have others. */
export async function versionOf(cluster: Cluster): Promise<string> {
  const printed = await cluster.rbd(['--version'], { what: 'ask for the version' });
  return /ceph version (\S+)/.exec(printed)?.[1] ?? 'unknown';
}

export async function fsidOf(cluster: Cluster): Promise<string> {
  return (await cluster.ceph(['fsid'], { what: 'ask for the id of the cluster' })).trim();
}

/**
 * What the pool holds and may still hold, as the manager reckons it: after replication, and of the fullest OSD.
 * @returns undefined: without a manager nobody knows, but the OSDs take data all the same
 */
export async function spaceOf(cluster: Cluster): Promise<RepositorySpace | undefined> {
  const call = { what: 'ask for the space' };
  const answer = asShape(await cluster.cephJson(['df'], call), call.what);
  const all = asShape(answer['stats'], call.what);
  const pool = shapesOf(answer['pools'], call.what).find((each) => each['name'] === cluster.pool);
  if (pool === undefined || count(all, 'total_bytes') === 0) return undefined;
  const stats = asShape(pool['stats'], call.what);
  const free = count(stats, 'max_avail');
  return { total: free + count(stats, 'stored'), free };
}

/** Answers also when nobody answers. */
export async function healthOf(cluster: Cluster): Promise<ArrayHealth> {
  const call = { what: 'ask for the health' };
  try {
    return shown(asShape(await cluster.cephJson(['status'], call), call.what));
  } catch (error) {
    if (!(error instanceof ArrayError)) throw error;
    return { state: 'failed', messages: [error.message], paths: [] };
  }
}

function shown(status: Shape): ArrayHealth {
  const health = asShape(status['health'], 'health');
  const checks = Object.values(asShape(health['checks'] ?? {}, 'checks')).map((check) =>
    asShape(check, 'a check'),
  );
  const worst = (check: Shape): number => (check['severity'] === 'HEALTH_ERR' ? 0 : 1);
  const messages = checks
    .sort((a, b) => worst(a) - worst(b))
    .map((check) => text(asShape(check['summary'], 'a check'), 'message'));
  const osds = asShape(status['osdmap'] ?? {}, 'osdmap');
  const [up, all] = [count(osds, 'num_up_osds'), count(osds, 'num_osds')];
  const monitors = asList(status['quorum_names'] ?? [], 'quorum').map(String);
  return {
    state: STATES[optionalText(health, 'status') ?? ''] ?? 'unknown',
    messages: up < all ? [`${all - up} of ${all} OSDs are down`, ...messages] : messages,
    paths: monitors.map((name) => ({ name: `mon.${name}`, up: true })),
  };
}
