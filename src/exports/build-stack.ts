/**
 * READ FIRST: what an export is made of, top to bottom.
 *
 *   machine/NAME                          vdisk/NAME
 *   checked    range, alignment, close    checked
 *   overlay    own block or the chain's?  read-only
 *   chain      holes, shared read cache   chain
 *   volumes    one of each layer          volumes
 *
 * Below the overlay its two volumes, `data` and `map`, come from the same repository. A chain is open
 * once per worker, whatever stands on it.
 */
import {
  type BlockDevice,
  CheckedDevice,
  type ReadableBlockDevice,
  type ReadCache,
  ReadOnlyDevice,
} from '../block/index.ts';
import { BlockError } from '../errors/index.ts';
import type { VolumeData } from '../repositories/index.ts';
import { type FlushJournal, type FullReason, openChain, openOverlay } from '../vdisk/index.ts';
import { BorrowedChain } from './borrowed-chain.ts';
import { ChainTable } from './chain-table.ts';
import type { ChainPlan, OverlayPlan, StackPlan } from './stack-plan.ts';

export interface StackParts {
  readonly volumes: VolumeData;
  readonly readCache: ReadCache;
  /** This worker's number: its slot in an overlay's shared statistics. */
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

/** Builds stacks for one worker. What was opened is closed again when the rest fails to open. */
export function stackBuilder(parts: StackParts): StackBuilder {
  const chains = new ChainTable((plan) => openChainOf(plan, parts));
  return async (plan) => {
    const chain = await chains.use(plan.chain);
    try {
      const base = new BorrowedChain(chain.device);
      const inner =
        plan.overlay === undefined
          ? new ReadOnlyDevice(base)
          : await openOverlayOf(plan.name, plan.overlay, base, parts);
      const device = new CheckedDevice(inner);
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
  };
}

async function openOverlayOf(
  exportName: string,
  plan: OverlayPlan,
  base: BorrowedChain,
  parts: StackParts,
): Promise<BlockDevice> {
  const data = await parts.volumes.open(plan.data, { write: true });
  try {
    const map = await parts.volumes.open(plan.map, { write: true });
    const onFull = (reason: FullReason): void => parts.onFull(exportName, reason);
    const journal = parts.journal && { journal: parts.journal, key: plan.data.volume };
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
  { index, layers }: ChainPlan,
  { volumes, readCache: cache }: StackParts,
): Promise<ReadableBlockDevice> {
  const opened: { layerId: string; volume: BlockDevice }[] = [];
  try {
    for (const { layerId, volume } of layers) {
      opened.push({ layerId, volume: await volumes.open(volume, { write: false }) });
    }
    const [base, ...differences] = opened;
    if (base === undefined) throw new BlockError('EINVAL', 'open', 0, 0, 'a chain without layers');
    return openChain({ index, layers: [base, ...differences], cache });
  } catch (error) {
    await Promise.allSettled(opened.map(({ volume }) => volume.close()));
    throw error;
  }
}
