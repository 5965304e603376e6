/**
 * READ FIRST: what an export is made of, top to bottom.
 *
 *   machine/NAME                          vdisk/NAME     volume/REPO/NAME     … after a snapshot    …@SNAPSHOT
 *   checked    range, alignment, close    checked        checked              checked               checked
 *                                                        swap  the barrier    swap                  swap
 *                                         counted        counted              counted               counted
 *   overlay    own block or the chain's?  read-only                           overlay               read-only
 *   chain      holes, shared read cache   chain                               chain                 chain
 *   shared     what other workers read    shared                              –                     –
 *   volumes    one of each layer          volumes        the array's volume   volumes               volumes
 *
 * Below the overlay its two volumes, `data` and `map`, come from the same repository; a machine's counts by itself
 * what passes. A chain is open once per worker, whatever stands on it. The checked device and the view of a volume are each connection's
 * own (export-table.ts, swap-device.ts).
 */
import {
  type BlockDevice,
  CheckedDevice,
  type ReadableBlockDevice,
  type ReadCache,
  ReadOnlyDevice,
  type SharedCache,
  SharedSource,
} from '../block/index.ts';
import { BlockError } from '../errors/index.ts';
import type { VolumeData } from '../repositories/index.ts';
import {
  AccessRecorder,
  type FlushJournal,
  type FullReason,
  openChain,
  openOverlay,
} from '../vdisk/index.ts';
import { BorrowedChain } from './borrowed-chain.ts';
import { ChainTable, type OpenChain } from './chain-table.ts';
import { CountedDevice } from './counted-device.ts';
import { LazyVolume } from './lazy-volume.ts';
import { EAGER_LAYERS } from './limits.ts';
import type { ChainPlan, OverlayPlan, StackPlan, VolumePlan } from './stack-plan.ts';

export interface StackParts {
  readonly volumes: VolumeData;
  readonly readCache: ReadCache;
  /** Below the read caches of all workers; undefined: they share nothing. */
  readonly sharedCache?: SharedCache | undefined;
  /** This worker's number: its slot in an overlay's shared statistics, and in the traffic of a plan. */
  readonly worker: number;
  /** This worker's flush journal; undefined: each flush syncs its overlay's own volumes. */
  readonly journal?: FlushJournal | undefined;
  /** A write of this export was refused for want of space. */
  readonly onFull: (exportName: string, reason: FullReason) => void;
}

/** A built stack: the device on top, and what closes all of it. */
export interface Stack {
  readonly device: BlockDevice;
  close(): Promise<void>;
}

export type StackBuilder = (plan: StackPlan) => Promise<Stack>;

/** The chains that one worker has open. */
export function chainTable(parts: StackParts): ChainTable {
  return new ChainTable((plan) => openChainOf(plan, parts));
}

/** Builds stacks for one worker. What was opened is closed again when the rest fails to open. */
export function stackBuilder(parts: StackParts, chains = chainTable(parts)): StackBuilder {
  return async (plan) => {
    if (plan.volume === undefined) {
      const recorder = plan.record === undefined ? undefined : new AccessRecorder(plan.record);
      return onChain(chains, plan.chain, recorder, async (base) => {
        if (plan.overlay === undefined) {
          return new CheckedDevice(counted(new ReadOnlyDevice(base), plan, parts));
        }
        return new CheckedDevice(await openOverlayOf(plan.name, plan.overlay, base, parts));
      });
    }
    const stack = await openVolumeStack(chains, plan, parts);
    const readOnly = plan.readOnly && stack.device.capabilities.write;
    const device = readOnly ? new ReadOnlyDevice(stack.device) : stack.device;
    return { ...stack, device: counted(device, plan, parts) };
  };
}

function counted(device: BlockDevice, { traffic }: StackPlan, { worker }: StackParts): BlockDevice {
  return traffic === undefined ? device : new CountedDevice(device, traffic, worker);
}

async function openVolumeStack(
  chains: ChainTable,
  { name, volume, readOnly }: VolumePlan,
  parts: StackParts,
): Promise<Stack> {
  if (volume.kind === 'plain') {
    const device = await parts.volumes.open(volume.locator, { write: !readOnly });
    return { device, close: () => device.close() };
  }
  return onChain(chains, volume.chain, undefined, async (base) => {
    const { sealed, overlay } = volume;
    let below: ReadableBlockDevice = base;
    try {
      for (const one of sealed) below = await openOverlayOf(name, one, below, parts);
      if (overlay === undefined) return new ReadOnlyDevice(below);
      return await openOverlayOf(name, overlay, below, parts);
    } catch (error) {
      await below.close();
      throw error;
    }
  });
}

/** @param open what stands on the chain; closing it must not close the chain */
async function onChain(
  chains: ChainTable,
  plan: ChainPlan,
  recorder: AccessRecorder | undefined,
  open: (base: BorrowedChain) => Promise<BlockDevice>,
): Promise<Stack> {
  const chain = await chains.use(plan);
  try {
    const device = await open(new BorrowedChain(chain.device, recorder));
    const close = async (): Promise<void> => {
      try {
        await device.close();
      } finally {
        await chain.release();
      }
    };
    return { device, close };
  } catch (error) {
    await chain.release();
    throw error;
  }
}

async function openOverlayOf(
  exportName: string,
  plan: OverlayPlan,
  base: ReadableBlockDevice,
  parts: StackParts,
): Promise<BlockDevice> {
  const data = await parts.volumes.open(plan.data, { write: true });
  try {
    const map = await parts.volumes.open(plan.map, { write: true });
    const onFull = (reason: FullReason): void => parts.onFull(exportName, reason);
    // After a crash a journal is put back into the volumes of the service's own repository.
    const isOwn = plan.data.repository === undefined;
    const journal =
      isOwn && parts.journal ? { journal: parts.journal, key: plan.data.volume } : undefined;
    try {
      const { worker } = parts;
      return openOverlay({ state: plan.state, base, data, map, worker, onFull, journal });
    } catch (error) {
      await map.close();
      throw error;
    }
  } catch (error) {
    await data.close();
    throw error;
  }
}

async function openChainOf(
  { index, layers, content }: ChainPlan,
  { volumes, readCache: cache, sharedCache }: StackParts,
): Promise<OpenChain> {
  const opened: { layerId: string; volume: ReadableBlockDevice }[] = [];
  try {
    for (const { layerId, volume, size } of layers) {
      const open = (): Promise<BlockDevice> => volumes.open(volume, { write: false });
      const [first] = opened;
      // The upper ones are read most, but which of them exactly nobody knows.
      const isLazy = first !== undefined && size !== undefined && layers.length > EAGER_LAYERS;
      opened.push({
        layerId,
        volume: isLazy ? new LazyVolume(first.volume, size, open) : await open(),
      });
    }
    const [base, ...differences] = opened;
    if (base === undefined) throw new BlockError('EINVAL', 'open', 0, 0, 'a chain without layers');
    let source: SharedSource | undefined;
    const share = (below: ReadableBlockDevice): ReadableBlockDevice => {
      if (content === undefined || sharedCache?.blockBytes !== cache.blockBytes) return below;
      source = new SharedSource(below, sharedCache, content);
      return source;
    };
    const device = openChain({ index, layers: [base, ...differences], cache, below: share });
    return { device, source };
  } catch (error) {
    await Promise.allSettled(opened.map(({ volume }) => volume.close()));
    throw error;
  }
}
