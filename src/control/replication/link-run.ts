/** The arrays' own replication: the same verbs, and states that are theirs. */

import { Fault } from '../../errors/index.ts';
import type { Side } from '../catalog/replication/records.ts';
import type { VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import type { ArrayLinks, LinkStatus } from '../replication-port.ts';
import { volumeNameOf } from '../storage/names.ts';
import { changeReplication } from './change-replication.ts';
import { keepReplica } from './heads.ts';
import { current, partsOf, volumeOf, volumesOf } from './situation.ts';

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

/** A consistent moment of every member is on its way; links and copies that are not there yet are made. */
export async function syncLinks(control: Control, id: string, signal: AbortSignal): Promise<void> {
  const { catalog } = control;
  const links = linksOf(control);
  const replication = current(catalog, id);
  for (const member of catalog.replications.members(id)) {
    signal.throwIfAborted();
    const source = volumeOf(catalog, member, replication.sourceSide);
    if ((await links.status(volumeNameOf(source))) === undefined) {
      await links.enable(volumeNameOf(source));
    }
    if (member.right === undefined) {
      const copy = { repositoryId: replication.repositories.right, volumeId: control.newId() };
      await links.adoptCopy(volumeNameOf(source), copy, (stored) =>
        catalog.transaction(() => {
          keepReplica(control, copy.repositoryId, copy.volumeId, member.rightName, stored);
          catalog.replications.setRight(id, member.position, copy.volumeId);
        }),
      );
    }
    await links.syncNow(volumeNameOf(source));
  }
  await observeLinks(control, id);
}

/** The worst of the members' states is the replication's; its moment is the oldest. */
export async function observeLinks(control: Control, id: string): Promise<void> {
  const { catalog } = control;
  const links = linksOf(control);
  const replication = current(catalog, id);
  const members = catalog.replications.members(id);
  const statuses: LinkStatus[] = [];
  for (const volume of reachable(control, volumesOf(catalog, members, replication.sourceSide))) {
    const status = await links.status(volumeNameOf(volume));
    if (status !== undefined) statuses.push(status);
  }
  if (statuses.length === 0 || current(catalog, id).failover !== 'none') return;
  const worst = statuses.reduce((a, b) => (severity(b) > severity(a) ? b : a));
  const moments = statuses.flatMap(({ syncedAt }) => (syncedAt === undefined ? [] : [syncedAt]));
  changeReplication(control, id, {
    state: worst.state,
    reason: worst.description === '' ? undefined : worst.description,
    // An array whose clock is ahead has nothing from the future: its age would never be alarmed.
    ...(moments.length === statuses.length
      ? { syncedAt: Math.min(...moments, control.clock.now()) }
      : {}),
  });
}

const SEVERITY: Readonly<Record<LinkStatus['state'], number>> = {
  'in-sync': 0,
  'idle-consistent': 1,
  syncing: 2,
  reprotecting: 3,
  promoting: 4,
  initializing: 5,
  demoted: 6,
  paused: 7,
  'failed-over': 8,
  unknown: 9,
  error: 10,
  broken: 11,
  'split-brain': 12,
};

const severity = ({ state }: LinkStatus): number => SEVERITY[state];

function reachable({ storage }: Control, volumes: readonly VolumeRecord[]) {
  return volumes.filter(({ repositoryId }) => storage.isAttached(repositoryId));
}

/** All members of the side become the writable ones. */
export async function promoteLinks(
  control: Control,
  id: string,
  side: Side,
  force: boolean,
): Promise<void> {
  await eachLink(control, id, side, (links, volume) =>
    links.promote(volumeNameOf(volume), { force }),
  );
}

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
