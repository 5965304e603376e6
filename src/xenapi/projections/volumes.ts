/**
 * Volumes, snapshots, and snapshots whose data is gone, as VDIs of their repositories' SRs.
 *
 * Nothing of an array is asked: how much a VDI occupies is all of it for a thick volume; for a thin one it is what
 * the storage said when somebody asked for VDI.update, and 0 before.
 */
import {
  disksWithoutData,
  isLeaving,
  type SnapshotRecord,
  type TrackedDisk,
  trackedDisk,
  type VolumeRecord,
} from '../../control/index.ts';
import { isMetadata } from '../cbt/index.ts';
import type { Ref } from '../datamodel/description.ts';
import { VDI } from '../datamodel/vdi.ts';
import { DIFFERENCE } from '../disks/differences.ts';
import { FORGOTTEN, isForgotten } from '../disks/forgotten.ts';
import { descriptionOf, labelOf } from '../disks/names.ts';
import { REPLICA, ROLE_KEY } from '../disks/rules.ts';
import { markFinished, unfinished } from '../disks/unfinished.ts';
import { emptyRecord } from '../objects/defaults.ts';
import type { KeptObject } from '../objects/kept-objects.ts';
import type { AnyRecord } from '../objects/objects.ts';
import type { FollowedTable, Projection } from '../objects/projector.ts';
import { NULL_REF, refOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { dropVbdsOf } from './control-domain.ts';

/** Rows of a table that are read at once. */
const PAGE_ROWS = 1_000;

/** What XO and sm call what a linked clone stands on. */
const PARENT_KEY = 'vhd-parent';
/** What sm writes into other_config of a VDI without data. */
const NO_CONTENT = ['content_id', '/No content: this is a cbt_metadata VDI/'] as const;

export function volumesProjection(xen: Xen): Projection {
  return new VolumesProjection(xen);
}

class VolumesProjection implements Projection {
  readonly tables = ['volumes', 'snapshots', 'tracked_disks'] as const;
  readonly classes = [VDI.name, FORGOTTEN.name];
  readonly #xen: Xen;
  readonly #srs = new Map<string, Ref>();

  constructor(xen: Xen) {
    this.#xen = xen;
  }

  load(): void {
    const { control, kept } = this.#xen;
    const { catalog } = control;
    const typed = new Map(kept.all(VDI).map((object) => [object.id, object]));
    const forgotten = new Set(kept.all(FORGOTTEN).map(({ id }) => id));
    const there = new Set<string>();
    const show = (id: string, record: (object: KeptObject | undefined) => Shown): void => {
      there.add(id);
      if (!forgotten.has(id)) this.#put(id, record(typed.get(id)));
    };
    for (const { id } of catalog.repositories.all()) {
      for (const volume of this.#volumes(id)) {
        show(volume.id, (object) => this.#ofVolume(volume, object));
      }
      for (const snapshot of this.#snapshots(id)) {
        if (isLeaving(control, snapshot.id) || isMetadata(control, snapshot.id)) continue;
        show(snapshot.id, (object) => this.#ofSnapshot(snapshot, object));
      }
      for (const disk of disksWithoutData(control, id)) {
        show(disk.id, (object) => this.#ofMetadata(disk, object));
      }
    }
    // What was kept of those that a crash came after.
    const differences = kept.all(DIFFERENCE).map(({ id }) => id);
    for (const id of [...typed.keys(), ...forgotten, ...differences, ...unfinished(this.#xen)]) {
      if (!there.has(id)) this.#forget(id);
    }
  }

  changed(_table: FollowedTable, id: string): void {
    this.#show(id);
  }

  keptChanged(className: string, id: string): void {
    this.#show(id);
    // They say what they are a snapshot of as long as that is shown.
    if (className === FORGOTTEN.name) {
      const { catalog } = this.#xen.control;
      const volume = catalog.volumes.byId(id);
      if (volume === undefined) return;
      for (const disk of this.#snapshots(volume.repositoryId, id)) this.#show(disk.id);
      for (const disk of disksWithoutData(this.#xen.control, volume.repositoryId)) {
        if (disk.volumeId === id) this.#show(disk.id);
      }
    }
  }

  #show(id: string): void {
    const { control, kept } = this.#xen;
    const { catalog } = control;
    const object = kept.get(VDI, id);
    const shown = this.#shown(id, object);
    if (shown === undefined) {
      this.#remove(id);
      const isThere = catalog.volumes.byId(id) ?? catalog.snapshots.byId(id);
      if (isThere === undefined || isLeaving(control, id)) this.#forget(id);
      return;
    }
    if (isForgotten(this.#xen, id)) this.#remove(id);
    else this.#put(id, shown);
  }

  /** undefined: nothing of that id is a disk. */
  #shown(id: string, object: KeptObject | undefined): Shown | undefined {
    const { control } = this.#xen;
    const { catalog } = control;
    const volume = catalog.volumes.byId(id);
    if (volume !== undefined) return this.#ofVolume(volume, object);
    const tracked = trackedDisk(control, id);
    if (tracked !== undefined && isMetadata(control, id)) return this.#ofMetadata(tracked, object);
    const snapshot = catalog.snapshots.byId(id);
    if (snapshot === undefined || isLeaving(control, id)) return undefined;
    return this.#ofSnapshot(snapshot, object);
  }

  #put(id: string, { kind, record }: Shown): void {
    this.#xen.objects.put(VDI.name, refOf(VDI.name, id), record, { kind, id });
  }

  #remove(id: string): void {
    this.#xen.objects.delete(VDI.name, refOf(VDI.name, id));
  }

  /** What was kept of it is of no use any more, and its VBDs show nothing. */
  #forget(id: string): void {
    const { kept, control } = this.#xen;
    control.catalog.transaction(() => {
      if (kept.get(VDI, id) !== undefined) kept.delete(VDI, id);
      if (isForgotten(this.#xen, id)) kept.delete(FORGOTTEN, id);
      if (kept.get(DIFFERENCE, id) !== undefined) kept.delete(DIFFERENCE, id);
      markFinished(this.#xen, id);
      dropVbdsOf(this.#xen, refOf(VDI.name, id));
    });
  }

  // Records

  #ofVolume(volume: VolumeRecord, object: KeptObject | undefined): Shown {
    const fields = object?.fields ?? {};
    const isReplica = volume.role === 'replica';
    return {
      kind: 'volume',
      record: {
        ...this.#common(volume.repositoryId, volume.id, object),
        name_label: labelOf(text(fields['name_label']), volume.name),
        name_description: descriptionOf(text(fields['name_description']), volume.description),
        virtual_size: volume.size,
        ...(volume.thin ? {} : { physical_utilisation: volume.size }),
        ...(isReplica ? { read_only: true } : {}),
        sm_config: this.#smConfig(fields['sm_config'], volume),
        cbt_enabled: trackedDisk(this.#xen.control, volume.id) !== undefined,
      },
    };
  }

  #ofSnapshot(snapshot: SnapshotRecord, object: KeptObject | undefined): Shown {
    const fields = object?.fields ?? {};
    return {
      kind: 'snapshot',
      record: {
        ...this.#common(snapshot.repositoryId, snapshot.id, object),
        name_label: labelOf(text(fields['name_label']), snapshot.name),
        name_description: descriptionOf(text(fields['name_description']), snapshot.description),
        virtual_size: snapshot.size,
        ...this.#snapshotFields(snapshot.volumeId, snapshot.createdAt),
        cbt_enabled: trackedDisk(this.#xen.control, snapshot.id) !== undefined,
      },
    };
  }

  #ofMetadata(disk: TrackedDisk, object: KeptObject | undefined): Shown {
    const fields = object?.fields ?? {};
    const common = this.#common(disk.repositoryId, disk.id, object);
    return {
      kind: 'snapshot',
      record: {
        ...common,
        name_label: text(fields['name_label']) ?? '',
        name_description: text(fields['name_description']) ?? '',
        virtual_size: disk.size,
        physical_utilisation: 0,
        type: 'cbt_metadata',
        other_config: new Map([
          ...(common['other_config'] as ReadonlyMap<string, string>),
          NO_CONTENT,
        ]),
        ...this.#snapshotFields(disk.volumeId, disk.createdAt),
        cbt_enabled: true,
      },
    };
  }

  #snapshotFields(volumeId: string | undefined, createdAt: number) {
    const isShown = volumeId !== undefined && !isForgotten(this.#xen, volumeId);
    return {
      read_only: true,
      is_a_snapshot: true,
      snapshot_of: isShown ? refOf(VDI.name, volumeId) : NULL_REF,
      snapshot_time: createdAt,
    };
  }

  #common(repositoryId: string, id: string, object: KeptObject | undefined): AnyRecord {
    return {
      ...EMPTY,
      ...object?.fields,
      uuid: object?.uuid ?? id,
      SR: this.#sr(repositoryId),
      location: id,
    };
  }

  #smConfig(kept: unknown, volume: VolumeRecord): ReadonlyMap<string, string> {
    const parent = volume.parentSnapshotId ?? volume.parentVolumeId;
    const isReplica = volume.role === 'replica';
    const own = kept instanceof Map ? (kept as ReadonlyMap<string, string>) : undefined;
    const isPlain = parent === undefined && !isReplica;
    if (isPlain && own?.has(PARENT_KEY) !== true && own?.has(ROLE_KEY) !== true)
      return own ?? NO_WORDS;
    const words = new Map(own);
    words.delete(PARENT_KEY);
    words.delete(ROLE_KEY);
    if (parent !== undefined && !isLeaving(this.#xen.control, parent)) {
      words.set(PARENT_KEY, this.#xen.kept.get(VDI, parent)?.uuid ?? parent);
    }
    if (isReplica) words.set(ROLE_KEY, REPLICA);
    return words;
  }

  #sr(repositoryId: string): Ref {
    const known = this.#srs.get(repositoryId);
    if (known !== undefined) return known;
    const ref = refOf('SR', repositoryId);
    this.#srs.set(repositoryId, ref);
    return ref;
  }

  // Rows

  *#volumes(repositoryId: string): Iterable<VolumeRecord> {
    const { volumes } = this.#xen.control.catalog;
    for (let after = ''; ; ) {
      const page = volumes.page(repositoryId, after, PAGE_ROWS);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ROWS) return;
      after = last.name;
    }
  }

  *#snapshots(repositoryId: string, volumeId?: string): Iterable<SnapshotRecord> {
    const { snapshots } = this.#xen.control.catalog;
    for (let after: { createdAt: number; id: string } | undefined; ; ) {
      const page = snapshots.page({ repositoryId, volumeId, after, limit: PAGE_ROWS });
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ROWS) return;
      after = { createdAt: last.createdAt, id: last.id };
    }
  }
}

interface Shown {
  readonly kind: 'volume' | 'snapshot';
  readonly record: AnyRecord;
}

/** Shared by all of them: 10,000 empty maps are no use. */
const EMPTY: AnyRecord = { ...emptyRecord(VDI), type: 'user', managed: true };
const NO_WORDS: ReadonlyMap<string, string> = new Map();

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
