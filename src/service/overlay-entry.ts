/** An overlay in the book, and what it is asked for with. */
import { Fault } from '../errors/index.ts';
import type { VolumeLocator } from '../repositories/index.ts';
import type { OverlayName, StoredOverlay } from './overlay-volumes.ts';

/** What the book needs to know of layers. */
export interface LayerNames {
  /** What holds now what this layer held: itself, unless a merge has replaced it. */
  resolve(layerId: string): string;
  /** Of the disk as seen from the layer, in bytes. @throws Fault NOT_FOUND */
  sizeOf(layerId: string): number;
}

export interface OverlayOwner {
  readonly ownerId: string;
  /** What a new overlay stands on. */
  readonly layerId: string;
  /** What an existing one may stand on: every version of the machine's vDisk. */
  readonly layerIds: ReadonlySet<string>;
  readonly quotaBytes: number | undefined;
  /** Where a new one is made; undefined: in the service's own repository. */
  readonly repositoryId?: string | undefined;
  /** The export through which it is opened. */
  readonly exportName?: string;
}

/** One overlay, open in no, one or several workers. */
export interface Generation extends StoredOverlay {
  /** Names it towards the workers. */
  readonly key: string;
  /** The layer that is read below it: the one it stands on, or what has replaced that. */
  readonly readsFrom: string;
  readonly data: VolumeLocator;
  readonly map: VolumeLocator;
  readonly state: SharedArrayBuffer;
  /** Of the disk, in bytes. */
  readonly size: number;
}

/** What is told of an owner's current overlay. */
export interface OverlayNow extends OverlayName {
  /** undefined: in the service's own repository. */
  readonly repositoryId: string | undefined;
  readonly usedBytes: number;
  readonly isOpen: boolean;
}

/** Whether it is in use, and by whom. */
export interface Entry extends Generation {
  /** Of its repository, when it was opened (overlay-places.ts); undefined: the service's own. */
  readonly attachment: object | undefined;
  readsFrom: string;
  /** Plans handed to workers and not yet given back. */
  uses: number;
  /** Exports through which these were asked for. */
  readonly openedAs: Set<string>;
  retired: boolean;
  /** It was made durable since somebody had it open. */
  isSettled: boolean;
  /** Settles when it has been sealed, or not. */
  sealing: Promise<void> | undefined;
  /** Whoever waits for its last use to end. */
  readonly waiting: (() => void)[];
}

export function unusedEntry(opened: Generation & Pick<Entry, 'attachment'>): Entry {
  return {
    ...opened,
    uses: 0,
    openedAs: new Set(),
    retired: false,
    isSettled: false,
    sealing: undefined,
    waiting: [],
  };
}

export function toldOf({
  ownerId,
  number,
  layerId,
  repositoryId,
}: StoredOverlay): Omit<OverlayNow, 'usedBytes' | 'isOpen'> {
  return { ownerId, number, layerId, repositoryId };
}

export function isBusy({ uses, sealing }: Entry): boolean {
  return uses > 0 || sealing !== undefined;
}

/** It was opened before its repository was detached, by somebody who has not left yet. @throws Fault UNAVAILABLE */
export function refuseOutdated(entry: Entry): void {
  if (!isBusy(entry)) return;
  const message =
    'connections from before the repository was detached have not ended; try again soon';
  throw new Fault('UNAVAILABLE', message, {
    field: 'overlay',
    expected: 'a write cache that nobody has open',
  });
}

/** @throws Fault IN_USE */
export function refuseWhileSealing({ sealing }: Entry): void {
  if (sealing === undefined) return;
  throw new Fault(
    'IN_USE',
    'the write cache is being made a version of; try again when that is done',
    { field: 'overlay', expected: 'a write cache that no task works on' },
  );
}

/** @throws Fault IN_USE */
export function refuseWhileOpen({ uses }: Entry): void {
  if (uses === 0) return;
  throw new Fault('IN_USE', 'the write cache is open; turn the machine off first', {
    field: 'overlay',
    value: uses,
    expected: 'a machine that is off',
  });
}

export function noOverlay(ownerId: string): Fault {
  return new Fault('NOT_FOUND', 'there is no write cache', { field: 'overlay', value: ownerId });
}

/** What was to be sealed is not there any more: the machine has booted meanwhile. */
export function replacedOverlay(ownerId: string): Fault {
  const details = { field: 'overlay', value: ownerId, expected: 'a machine that is off' };
  return new Fault('UNAVAILABLE', 'the write cache was replaced meanwhile', details);
}
