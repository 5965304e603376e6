/** The arrays' own replication, for control: ReplicationControl of the arrays that have it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ArrayLinks, LinkStatus, StoredVolume, VolumeName } from '../../control/index.ts';
import { ArrayError, Fault } from '../../errors/index.ts';
import {
  type ArrayControl,
  type ArrayLink,
  type ArrayRef,
  type ArrayVolume,
  everyVolume,
  type ReplicationControl,
} from '../../repositories/index.ts';
import { arrayHandle, objectOf, readHandle } from '../storage/handles.ts';
import { inFaults } from '../storage/storage-fault.ts';
import { PROMOTE_RETRIES, PROMOTE_RETRY_MS, STUCK_LOOKS } from './limits.ts';

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
    obstacle: async (fromId, toId, volumes) => {
      const noPeers = 'the arrays of the two repositories do not replicate to each other';
      if (!arrays.has(fromId) || !arrays.has(toId)) return noPeers;
      const { array } = arrays.of(fromId);
      const { replication } = array;
      const to = arrays.of(toId).array.replication;
      if (replication === undefined || to === undefined) return noPeers;
      return inFaults(async () => {
        if (!(await replication.peers()).includes(to.site)) return noPeers;
        return obstacleOf(array, volumes);
      });
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
        const { ref: source, tag: sourceTag } = objectOf(volume.handle);
        const found = await copyOf(there, source, sourceTag);
        if (found === undefined) return undefined;
        return keep(storedOf(found, copy.volumeId));
      }),
    shown: ({ repositoryId, handle }, keep) =>
      inFaults(async () => {
        const { ref, tag } = objectOf(handle);
        const found = await arrays.of(repositoryId).array.findVolume({ ref });
        return found === undefined ? undefined : keep(storedOf(found, tag));
      }),
    syncNow: (volume) =>
      inFaults(async () => {
        const { replication, volume: ref } = end(volume);
        return await replication.syncNow({ opId: opId(), volume: ref });
      }),
    arrived: (copy, moment, signal) =>
      inFaults(() => untilArrived(end(copy), moment, signal, wait)),
    promote: (volume, options) =>
      act(volume, (replication, ref) => promoted({ replication, volume: ref }, options, wait)),
    demote: (volume) =>
      act(volume, (replication, ref) => replication.demote({ opId: opId(), volume: ref })),
    resync: (volume) =>
      act(volume, (replication, ref) => replication.resync({ opId: opId(), volume: ref })),
  };
}

function storedOf(found: ArrayVolume, tag: string): StoredVolume {
  const { ref, size, thin, wwid, locator } = found;
  return { handle: arrayHandle({ tag: found.tag ?? tag, ref, locator }), size, thin, wwid };
}

interface End {
  readonly replication: ReplicationControl;
  readonly volume: ArrayRef;
}

/** @param options.signal between two attempts */
async function promoted(
  { replication, volume }: End,
  options: { readonly force: boolean; readonly signal?: AbortSignal },
  wait: (milliseconds: number) => Promise<unknown>,
): Promise<ArrayLink> {
  const request = { opId: randomUUID(), volume, force: options.force };
  for (let tries = 1; ; tries++) {
    try {
      return await replication.promote(request);
    } catch (error) {
      const isEarly = error instanceof ArrayError && error.code === 'DEMOTION_NOT_PROPAGATED';
      if (!isEarly || tries >= PROMOTE_RETRIES) throw error;
    }
    options.signal?.throwIfAborted();
    await wait(PROMOTE_RETRY_MS);
  }
}

async function obstacleOf(
  array: ArrayControl,
  volumes: readonly VolumeName[],
): Promise<string | undefined> {
  if (volumes.length > 1 && array.info.capabilities.replicateGroup === 'no') {
    return 'they send one volume at a time, and the points of several are to be of one moment';
  }
  for (const { handle } of volumes) {
    const held = readHandle(handle);
    if (held.kind === 'layers')
      return 'a volume is made of layers, that the array knows nothing of';
    const { ref } = held.object;
    const volume = await array.findVolume({ ref });
    if (volume?.parent === undefined) continue;
    return `${ref.name} is a linked clone, and what it stands on is not there (split it first)`;
  }
  return undefined;
}

/** What the side that copies says: nothing more will come. */
const STUCK: readonly ArrayLink['state'][] = ['split-brain', 'broken', 'error', 'failed-over'];

async function untilArrived(
  { replication, volume }: End,
  moment: number,
  signal: AbortSignal,
  wait: (milliseconds: number) => Promise<unknown>,
): Promise<void> {
  for (let looks = 1; ; looks++) {
    signal.throwIfAborted();
    const link = await replication.status(volume);
    if ((link?.lastSyncAt ?? 0) >= moment) return;
    // What it says may be of before: a daemon looks around twice a minute.
    if (looks > STUCK_LOOKS && (link === undefined || STUCK.includes(link.state))) {
      const said = link === undefined ? 'it is in no link' : `${link.state}: ${link.description}`;
      throw new ArrayError('RELATIONSHIP_BROKEN', `nothing arrives in ${volume.name}: ${said}`);
    }
    await wait(PROMOTE_RETRY_MS);
  }
}

/** The arrays mirror our tag, or the name at least. What is no copy is a volume of somebody's, whatever its name. */
async function copyOf(there: ArrayControl, source: ArrayRef, tag: string) {
  const isCopy = async ({ ref }: ArrayVolume): Promise<boolean> =>
    (await there.replication?.status(ref))?.role === 'secondary';
  const tagged = await there.findVolume({ tag });
  if (tagged !== undefined) return (await isCopy(tagged)) ? tagged : undefined;
  for await (const volume of everyVolume(there, { ownedOnly: false })) {
    if (volume.ref.name === source.name) return (await isCopy(volume)) ? volume : undefined;
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
