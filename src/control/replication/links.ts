/** The arrays' own replication: the same verbs as the engine's, and states that are theirs. */

import { Fault } from '../../errors/index.ts';
import type { ReplicationRecord, Side } from '../catalog/replication/records.ts';
import type { VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import type { ArrayLinks, LinkStatus } from '../replication-port.ts';
import { volumeNameOf } from '../storage/names.ts';
import { partsOf, volumeOf } from './situation.ts';

/** @throws Fault UNSUPPORTED */
export function linksOf(control: Control): ArrayLinks {
  const { links } = partsOf(control);
  if (links !== undefined) return links;
  throw new Fault('UNSUPPORTED', 'no array replicates by itself here', {
    field: 'replication.mode',
    value: 'array',
    expected: 'engine',
  });
}

/** Member by member. @throws Fault NOT_FOUND: a copy is not there yet */
export async function eachLink(
  control: Control,
  id: string,
  side: Side,
  work: (links: ArrayLinks, volume: VolumeRecord) => Promise<unknown>,
): Promise<void> {
  const links = linksOf(control);
  for (const member of control.catalog.replications.members(id)) {
    await work(links, volumeOf(control.catalog, member, side));
  }
}

/** What its array says now; undefined: it is in no link, or not there. */
export function statusOfLink(
  links: ArrayLinks,
  volume: VolumeRecord,
): Promise<LinkStatus | undefined> {
  return links.status(volumeNameOf(volume));
}

/** @throws Fault UNSUPPORTED: the arrays have points, and show them to nobody */
export function refusePointsOfArrays({ mode }: ReplicationRecord, verb: string): void {
  if (mode !== 'array') return;
  const message = `${verb} needs points that can be opened, and arrays keep theirs to themselves`;
  throw new Fault('UNSUPPORTED', message, {
    field: 'replication.mode',
    value: mode,
    expected: 'a replication of mode engine (rootcast replication create --mode engine)',
  });
}
