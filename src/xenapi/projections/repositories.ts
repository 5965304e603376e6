/**
 * Every repository of the control plane as an SR with one PBD on the one host, and SRs that clients have introduced and
 * that no repository stands behind yet.
 *
 * What is kept of them goes with the repository: who forgets it by REST or by SR.forget has forgotten that, too.
 */
import type { RepositoryRecord } from '../../control/index.ts';
import type { Ref } from '../datamodel/description.ts';
import { PBD } from '../datamodel/pbd.ts';
import { SM } from '../datamodel/sm.ts';
import { SR } from '../datamodel/sr.ts';
import { VDI } from '../datamodel/vdi.ts';
import { servedTypes } from '../device-config/storage-types.ts';
import { keepWaitingSecrets } from '../messages/secret/secrets.ts';
import { allowedOperations } from '../messages/sr/sr-operations.ts';
import type { AnyRecord, Origin } from '../objects/objects.ts';
import type { FollowedTable, Projection } from '../objects/projector.ts';
import { isUuid, refOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { hasFact, setFact, withFact } from './kept-facts.ts';
import { pbdRecord, refOfPbd, refOfSr, srRecord } from './repository-records.ts';
import { refOfSm, smRecord } from './sm-records.ts';

export function repositoriesProjection(xen: Xen): Projection {
  return new RepositoriesProjection(xen);
}

class RepositoriesProjection implements Projection {
  readonly tables = ['repositories', 'volumes'] as const satisfies readonly FollowedTable[];
  readonly classes = [SR.name, PBD.name, SM.name];
  readonly #xen: Xen;
  /** Ids of those that are shown: others have SRs of their own. */
  readonly #shown = new Set<string>();
  /** What was known last: after it is detached it is still so large. By repository. */
  readonly #sizes = new Map<string, { readonly total: number; readonly used: number }>();

  constructor(xen: Xen) {
    this.#xen = xen;
  }

  load(): void {
    const { objects, control } = this.#xen;
    objects.completeWith(SR.name, (ref, record) => this.#completed(ref, record));
    control.spaces.follow((id) => this.#measured(id));
    for (const type of servedTypes(this.#xen)) this.#putSm(type.name);
    this.#dropStale();
    for (const { id } of control.catalog.repositories.all()) {
      this.#noteSize(id);
      this.#put(id);
    }
    for (const id of withFact(this.#xen, 'SR', 'introduced')) this.#put(id);
  }

  /** What was kept of repositories that ended just before the service did. */
  #dropStale(): void {
    const { control, kept } = this.#xen;
    const isStale = (id: string): boolean =>
      isUuid(id) && // others have SRs of their own, under other ids
      control.catalog.repositories.byId(id) === undefined &&
      !hasFact(this.#xen, 'SR', id, 'introduced') &&
      !hasFact(this.#xen, 'SR', id, 'destroyed');
    for (const { id } of kept.all(PBD)) if (isStale(id)) kept.delete(PBD, id);
    for (const { id } of kept.all(SR)) if (isStale(id)) kept.delete(SR, id);
  }

  changed(table: FollowedTable, id: string): void {
    if (table === 'volumes') this.#volumeChanged(id);
    else this.#put(id);
  }

  keptChanged(className: string, id: string): void {
    if (className === SM.name) this.#putSm(id);
    else this.#put(id);
  }

  /** As it is now. What is no repository and was not introduced either is not ours. */
  #put(id: string): void {
    const repository = this.#xen.control.catalog.repositories.byId(id);
    const isIntroduced = hasFact(this.#xen, 'SR', id, 'introduced');
    if (repository === undefined && !isIntroduced) this.#remove(id);
    else this.#show(id, repository);
  }

  #show(id: string, repository: RepositoryRecord | undefined): void {
    const { objects, kept } = this.#xen;
    const sr = kept.get(SR, id)?.fields ?? {};
    const pbd = kept.get(PBD, id)?.fields ?? {};
    this.#shown.add(id);
    const origin: Origin = { kind: repository === undefined ? 'own' : 'repository', id };
    objects.put(SR.name, refOfSr(id), srRecord(id, repository, sr), origin);
    if (repository !== undefined) this.#settleFacts(repository);
    const hasPbd =
      repository === undefined
        ? pbd['device_config'] !== undefined
        : !hasFact(this.#xen, 'PBD', id, 'destroyed');
    if (!hasPbd) {
      objects.delete(PBD.name, refOfPbd(id));
      return;
    }
    const record = pbdRecord(this.#xen, id, repository, { sr, pbd });
    const before = objects.find(PBD.name, refOfPbd(id));
    objects.put(PBD.name, refOfPbd(id), record, origin);
    if (before?.['currently_attached'] !== record['currently_attached']) {
      objects.touch(SR.name, refOfSr(id));
    }
  }

  /** What is not so any more, now that the repository is as it is. */
  #settleFacts({ id, state }: RepositoryRecord): void {
    // It lives again: what it will hold is not nothing.
    setFact(this.#xen, 'SR', id, 'destroyed', false);
    // Who attaches it by REST says where it is again.
    if (state !== 'detached') setFact(this.#xen, 'PBD', id, 'destroyed', false);
    // It is known for good: until then it may still turn out to be something else.
    if (state === 'unreachable' || !hasFact(this.#xen, 'SR', id, 'introduced')) return;
    this.#xen.control.catalog.transaction(() => {
      setFact(this.#xen, 'SR', id, 'introduced', false);
      keepWaitingSecrets(this.#xen, id, {});
    });
  }

  #remove(id: string): void {
    const { objects, kept } = this.#xen;
    if (!this.#shown.delete(id)) return;
    objects.delete(PBD.name, refOfPbd(id));
    objects.delete(SR.name, refOfSr(id));
    this.#sizes.delete(id);
    if (!hasFact(this.#xen, 'SR', id, 'destroyed')) kept.delete(SR, id);
    kept.delete(PBD, id);
  }

  #putSm(name: string): void {
    const { objects, kept } = this.#xen;
    const type = servedTypes(this.#xen).find((candidate) => candidate.name === name);
    if (type === undefined) return;
    const record = smRecord(this.#xen, type, kept.get(SM, name)?.fields ?? {});
    objects.put(SM.name, refOfSm(name), record, { kind: 'own', id: name });
  }

  /** How much is allocated follows from the sizes. Its VDI still has the one of before: its projection comes after this one. */
  #volumeChanged(id: string): void {
    const { objects, control } = this.#xen;
    const volume = control.catalog.volumes.byId(id);
    const shown = objects.stored(VDI.name, refOf(VDI.name, id))?.['virtual_size'];
    if (volume === undefined || shown === undefined || shown === volume.size) return;
    objects.touch(SR.name, refOfSr(volume.repositoryId));
  }

  #measured(id: string): void {
    this.#noteSize(id);
    this.#xen.objects.touch(SR.name, refOfSr(id));
  }

  #noteSize(id: string): void {
    const space = this.#xen.control.spaces.get(id);
    if (space === undefined) return;
    this.#sizes.set(id, { total: space.total, used: Math.max(0, space.total - space.free) });
  }

  /** With what follows from other things. An SR that is not of ours has its own sizes. */
  #completed(ref: Ref, record: AnyRecord): AnyRecord {
    const { objects, operations } = this.#xen;
    const sizes = this.#sizes.get(String(record['uuid']));
    let allocation = 0;
    for (const vdi of record['VDIs'] as readonly Ref[]) {
      allocation += Number(objects.stored('VDI', vdi)?.['virtual_size'] ?? 0);
    }
    return {
      ...record,
      virtual_allocation: allocation,
      ...(sizes && { physical_size: sizes.total, physical_utilisation: sizes.used }),
      current_operations: new Map(operations.of(ref)),
      allowed_operations: allowedOperations(this.#xen, ref, record),
    };
  }
}
