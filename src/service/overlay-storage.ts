/**
 * Overlays on their storage: made, opened, made durable and deleted, in the service's own repository or in another
 * one. Which of them is whose says the book (overlay-book.ts).
 *
 * In its own repository the service may wait for a deletion, and is told when it fails: the next start tries again.
 * Elsewhere an overlay is forgotten first, which makes its volumes leftovers, and no machine waits for the array.
 */
import { Fault } from '../errors/index.ts';
import { deleteVolumes } from '../repositories/index.ts';
import { lastJournalled, MAXIMUM_OVERLAY_BYTES, needsSettling } from '../vdisk/index.ts';
import { type Entry, type LayerNames, unusedEntry } from './overlay-entry.ts';
import type { OverlayPlaces, PlacedOverlay } from './overlay-places.ts';
import {
  createOverlayVolumes,
  type FoundOverlay,
  findOverlays,
  type OpenedOverlay,
  type OverlayName,
  openOverlayVolumes,
  ownOverlay,
  refuseUnrestored,
  type StoredOverlay,
  settleVolumes,
} from './overlay-volumes.ts';
import type { RecoverMap } from './recovery/index.ts';
import type { Repository } from './repository.ts';

export interface OverlayStorageParts {
  /** All repositories as one. */
  readonly repository: Repository;
  /** Changes when the host restarts: tells whether the page cache survived. */
  readonly bootId: string;
  readonly workers: number;
  readonly layers: LayerNames;
  /** Data volumes of overlays that must not be used: a crash's flushed writes are missing in them. */
  readonly unrestored?: ReadonlyMap<string, unknown>;
  /** Those in other repositories; absent: there are none. */
  readonly elsewhere?: OverlayPlaces;
  /** Opens maps; in this thread unless given. */
  readonly recover?: RecoverMap;
  /** What went wrong with one, and keeps nobody from anything. */
  readonly troubled?: (key: string, what: string, error: unknown) => void;
}

export class OverlayStorage {
  readonly #parts: OverlayStorageParts;
  /** Deletions that nobody waits for. */
  readonly #dropping = new Set<Promise<void>>();

  constructor(parts: OverlayStorageParts) {
    this.#parts = parts;
  }

  /** What there is after a start, by owner, the oldest first. */
  async found(): Promise<ReadonlyMap<string, readonly FoundOverlay[]>> {
    const { repository, elsewhere } = this.#parts;
    const own = findOverlays(await repository.volumes.listVolumes());
    const placed = (elsewhere?.stored() ?? []).map((one): FoundOverlay => {
      return { ...one, volumes: [one.dataVolume, one.mapVolume], isWhole: true };
    });
    const all = [...own, ...placed].sort((a, b) => a.number - b.number);
    return Map.groupBy(all, ({ ownerId }) => ownerId);
  }

  /** @throws Fault LIMIT_EXCEEDED, UNSUPPORTED, UNAVAILABLE, NO_SPACE */
  async create(
    name: OverlayName,
    options: { readonly repositoryId: string | undefined; readonly quotaBytes: number | undefined },
  ): Promise<Entry> {
    const { layers, repository, elsewhere } = this.#parts;
    const { repositoryId } = options;
    const size = layers.sizeOf(name.layerId);
    refuseTooLarge(size);
    const attachment = this.attachment(repositoryId);
    const placed = repositoryId === undefined ? undefined : elsewhere?.fresh(name, repositoryId);
    const overlay = placed ?? ownOverlay(name);
    const opening = this.#opening(size, options.quotaBytes);
    const opened = await createOverlayVolumes(repository, overlay, opening);
    try {
      if (placed !== undefined) elsewhere?.keep(placed);
    } catch (error) {
      await this.drop(overlay).catch(() => undefined);
      throw error;
    }
    return entryOf(overlay, { ...opened, size, readsFrom: name.layerId, attachment });
  }

  /** @throws Fault NOT_FOUND, UNAVAILABLE; BlockError */
  async open(overlay: StoredOverlay, quotaBytes: number | undefined): Promise<Entry> {
    const { repository, layers, unrestored, recover } = this.#parts;
    refuseUnrestored(unrestored, overlay.dataVolume);
    // Before anything of it is read: what is there then is of this attachment, or fails.
    const attachment = this.attachment(overlay.repositoryId);
    const readsFrom = layers.resolve(overlay.layerId);
    const size = layers.sizeOf(readsFrom);
    const opening = this.#opening(size, quotaBytes);
    const opened = await openOverlayVolumes(repository, overlay, opening, recover);
    return entryOf(overlay, { ...opened, size, readsFrom, attachment });
  }

  #opening(size: number, quotaBytes: number | undefined) {
    const { bootId, workers } = this.#parts;
    return { size, bootId, quotaBytes, workers };
  }

  /** Of its repository, as it is now. @throws Fault UNAVAILABLE */
  attachment(repositoryId: string | undefined): object | undefined {
    if (repositoryId === undefined) return undefined;
    const { elsewhere } = this.#parts;
    if (elsewhere !== undefined) return elsewhere.attachment(repositoryId);
    throw new Fault('INTERNAL', 'there are no other repositories', { value: repositoryId });
  }

  isThere({ repositoryId }: StoredOverlay): boolean {
    return repositoryId === undefined || this.#parts.elsewhere?.isAttached(repositoryId) === true;
  }

  /** Makes durable what was acknowledged and never flushed; nobody has it open. @throws Fault, BlockError */
  async settle({ data, map, size, retired, state }: Entry): Promise<void> {
    if (retired) return; // renewed, removed or sealed since
    const { repository, bootId } = this.#parts;
    const journalled = lastJournalled(state);
    await settleVolumes(repository, { data, map }, { size, bootId, journalled });
  }

  /**
   * When the last reader has left: what an array holds in its own cache only is not left to what may become of the
   * array. (What the service's own repository holds is in the page cache, and settled when the service stops.)
   */
  async settleElsewhere(entry: Entry): Promise<void> {
    if (entry.repositoryId === undefined || !this.isThere(entry)) return;
    if (!needsSettling(entry.state)) return;
    try {
      await this.settle(entry);
      entry.isSettled = true;
    } catch (error) {
      this.#parts.troubled?.(entry.key, 'flushing a write cache that nobody has open', error);
    }
  }

  /** It has no owner any more. @throws Fault of one in the service's own repository */
  async drop(overlay: StoredOverlay): Promise<void> {
    const { repository } = this.#parts;
    const ids = [overlay.dataVolume, overlay.mapVolume];
    if (!isPlaced(overlay)) return deleteVolumes(repository.volumes, ids);
    this.#parts.elsewhere?.forget(overlay);
    await this.#deleteLeftovers(overlay, ids);
  }

  /** The same for one that another has replaced: whoever waits for that one does not wait for an array. */
  async dropReplaced(overlay: StoredOverlay): Promise<void> {
    const dropped = this.drop(overlay);
    if (!isPlaced(overlay)) return dropped;
    const settled = dropped
      .catch((error: unknown) => this.#tell(overlay, error))
      .finally(() => this.#dropping.delete(settled));
    this.#dropping.add(settled);
  }

  /** What a crash has left of one that is not needed. @param sealed volumes of layers. @throws Fault as `drop` */
  async sweep(overlay: FoundOverlay, sealed: ReadonlySet<string>): Promise<void> {
    if (isPlaced(overlay)) return this.drop(overlay);
    const rest = overlay.volumes.filter((id) => !sealed.has(id));
    await deleteVolumes(this.#parts.repository.volumes, rest);
  }

  /** Its data volume is a layer's: only the map is left to delete. Never throws. */
  async dropMap(overlay: StoredOverlay): Promise<void> {
    const { volumes } = this.#parts.repository;
    if (isPlaced(overlay)) return this.#deleteLeftovers(overlay, [overlay.mapVolume]);
    // One that cannot be deleted now is swept at the next start.
    await deleteVolumes(volumes, [overlay.mapVolume]).catch(() => undefined);
  }

  /** Settles when nothing is being deleted. */
  async dropped(): Promise<void> {
    await Promise.all(this.#dropping);
  }

  /** What cannot be deleted now goes when its repository is attached next. */
  async #deleteLeftovers(overlay: PlacedOverlay, ids: readonly string[]): Promise<void> {
    await deleteVolumes(this.#parts.repository.volumes, ids).catch((error: unknown) =>
      this.#tell(overlay, error),
    );
  }

  #tell(overlay: StoredOverlay, error: unknown): void {
    this.#parts.troubled?.(keyOf(overlay), 'deleting an old write cache', error);
  }
}

function entryOf(
  { ownerId, number, layerId, repositoryId, dataVolume, mapVolume }: StoredOverlay,
  opened: OpenedOverlay & Pick<Entry, 'size' | 'readsFrom' | 'attachment'>,
): Entry {
  const stored = { ownerId, number, layerId, repositoryId, dataVolume, mapVolume };
  return unusedEntry({ ...stored, ...opened, key: keyOf(stored) });
}

function keyOf({ ownerId, number }: OverlayName): string {
  return `overlay:${ownerId}:${number}`;
}

function isPlaced(overlay: StoredOverlay): overlay is PlacedOverlay {
  return overlay.repositoryId !== undefined;
}

function refuseTooLarge(size: number): void {
  if (size <= MAXIMUM_OVERLAY_BYTES) return;
  throw new Fault('LIMIT_EXCEEDED', `a disk of ${size} bytes is too large for a write cache`, {
    field: 'vdisk.size',
    value: size,
    expected: `at most ${MAXIMUM_OVERLAY_BYTES} bytes (MAXIMUM_OVERLAY_BYTES)`,
  });
}
