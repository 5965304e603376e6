/**
 * Copies that arrays have made, in the catalog. An array makes a copy when it gets to it, and makes another one when it
 * is told to begin anew (resync): the volume of the catalog stays, what it is in the array changes.
 */

import type { ReplicationMember, ReplicationRecord, Side } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { volumeNameOf } from '../storage/names.ts';
import { storedFacts } from '../storage/stored-facts.ts';
import type { StoredVolume } from '../storage-port.ts';
import { keepReplica } from './heads.ts';
import { eachLink, linksOf, statusOfLink } from './links.ts';
import { current, targetSide, volumeOf } from './situation.ts';

/** Of every member, as far as the array has them by now. @throws Fault of the array of the copies */
export async function adoptCopies(control: Control, id: string): Promise<void> {
  const { catalog } = control;
  const replication = current(catalog, id);
  for (const member of catalog.replications.members(id)) await adopt(control, replication, member);
}

/** Copies are as large as their originals, which may have grown. Where that cannot be asked, nothing else fails for it. */
export async function keepSizes(control: Control, id: string, side: Side): Promise<void> {
  const asked = eachLink(control, id, side, (links, volume) =>
    links.shown(volumeNameOf(volume), (stored) =>
      control.catalog.transaction(() => keepAgain(control, volume.id, stored)),
    ),
  );
  await asked.catch(() => undefined);
}

async function adopt(
  control: Control,
  replication: ReplicationRecord,
  member: ReplicationMember,
): Promise<void> {
  const { catalog } = control;
  const links = linksOf(control);
  const side = targetSide(replication);
  const known = member[side];
  if (known !== undefined) {
    const copy = volumeOf(catalog, member, side);
    if ((await statusOfLink(links, copy)) !== undefined) return;
  }
  const source = volumeOf(catalog, member, replication.sourceSide);
  const repositoryId = replication.repositories[side];
  const copy = { repositoryId, volumeId: known ?? control.newId() };
  await links.adoptCopy(volumeNameOf(source), copy, (stored) =>
    catalog.transaction(() => {
      if (known !== undefined) return keepAgain(control, known, stored);
      keepReplica(control, repositoryId, copy.volumeId, member.rightName, stored);
      catalog.replications.setRight(replication.id, member.position, copy.volumeId);
    }),
  );
}

function keepAgain({ catalog }: Control, volumeId: string, stored: StoredVolume): void {
  const latest = catalog.volumes.byId(volumeId);
  if (latest === undefined) return;
  catalog.volumes.update({ ...latest, ...storedFacts(stored) });
}
