/** The arrays' own replication, for control: ReplicationControl of the arrays that have it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ArrayLinks, LinkStatus, StoredVolume, VolumeName } from '../../control/index.ts';
import { ArrayError, Fault } from '../../errors/index.ts';
import {
  type ArrayControl,
  type ArrayLink,
  type ArrayRef,
  everyVolume,
  type ReplicationControl,
} from '../../repositories/index.ts';
import { arrayHandle, objectOf } from '../storage/handles.ts';
import { inFaults } from '../storage/storage-fault.ts';
import { PROMOTE_RETRIES, PROMOTE_RETRY_MS } from './limits.ts';

/** The repositories that are attached. */
interface Arrays {
  has(repositoryId: string): boolean;
  of(repositoryId: string): { readonly array: ArrayControl };
}

export function arrayLinks(
  arrays: Arrays,
  wait: (milliseconds: number) => Promise<unknown> = delay,
): ArrayLinks {
  const end = ({ repositoryId, handle }: VolumeName): End => {
    const { replication } = arrays.of(repositoryId).array;
    if (replication === undefined) throw unsupported();
    return { replication, volume: objectOf(handle).ref };
  };
  const act = async (
    volume: VolumeName,
    call: (replication: ReplicationControl, ref: ArrayRef) => Promise<ArrayLink>,
  ): Promise<LinkStatus> =>
    inFaults(async () => {
      const { replication, volume: ref } = end(volume);
      return statusOf(await call(replication, ref));
    });
  const opId = (): string => randomUUID();
  return {
    canLink: async (fromId, toId) => {
      if (!arrays.has(fromId) || !arrays.has(toId)) return false;
      const from = arrays.of(fromId).array.replication;
      const to = arrays.of(toId).array.replication;
      if (from === undefined || to === undefined) return false;
      return inFaults(async () => (await from.peers()).includes(to.site));
    },
    enable: (volume) =>
      act(volume, (replication, ref) => replication.enable({ opId: opId(), volume: ref })),
    disable: (volume) =>
      inFaults(async () => {
        const { replication, volume: ref } = end(volume);
        await replication.disable({ opId: opId(), volume: ref });
      }),
    status: (volume) =>
      inFaults(async () => {
        const { replication, volume: ref } = end(volume);
        const link = await replication.status(ref);
        return link === undefined ? undefined : statusOf(link);
      }),
    adoptCopy: (volume, copy, keep) =>
      inFaults(async () => {
        const there = arrays.of(copy.repositoryId).array;
        const found = await copyOf(there, objectOf(volume.handle).ref, volume.volumeId);
        if (found === undefined) return undefined;
        const { ref, size, thin, wwid, locator } = found;
        const handle = arrayHandle({ tag: found.tag ?? copy.volumeId, ref, locator });
        return keep({ handle, size, thin, wwid } satisfies StoredVolume);
      }),
    syncNow: (volume) =>
      inFaults(async () => {
        const { replication, volume: ref } = end(volume);
        await replication.syncNow({ opId: opId(), volume: ref });
      }),
    promote: (volume, { force }) =>
      act(volume, async (replication, ref) => {
        const request = { opId: opId(), volume: ref, force };
        for (let tries = 1; ; tries++) {
          try {
            return await replication.promote(request);
          } catch (error) {
            const isEarly = error instanceof ArrayError && error.code === 'DEMOTION_NOT_PROPAGATED';
            if (!isEarly || tries >= PROMOTE_RETRIES) throw error;
            await wait(PROMOTE_RETRY_MS);
          }
        }
      }),
    demote: (volume) =>
      act(volume, (replication, ref) => replication.demote({ opId: opId(), volume: ref })),
    resync: (volume) =>
      act(volume, (replication, ref) => replication.resync({ opId: opId(), volume: ref })),
  };
}

interface End {
  readonly replication: ReplicationControl;
  readonly volume: ArrayRef;
}

/** The arrays mirror our tag, or the name at least; what has only the name may be anything, unless it is a copy. */
async function copyOf(there: ArrayControl, source: ArrayRef, tag: string) {
  const tagged = await there.findVolume({ tag });
  if (tagged !== undefined) return tagged;
  for await (const volume of everyVolume(there, { ownedOnly: false })) {
    if (volume.ref.name !== source.name) continue;
    const link = await there.replication?.status(volume.ref);
    return link?.role === 'secondary' ? volume : undefined;
  }
  return undefined;
}

function statusOf({ role, state, description, lastSyncAt }: ArrayLink): LinkStatus {
  return { role, state, description, syncedAt: lastSyncAt };
}

function unsupported(): Fault {
  return new Fault('UNSUPPORTED', 'the array does not replicate by itself', {
    field: 'replication.mode',
    value: 'array',
    expected: 'engine',
  });
}
