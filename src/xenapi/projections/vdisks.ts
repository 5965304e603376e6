/**
 * vDisks as VDIs of one SR, and their sealed versions as snapshots of them. All of it is read-only: XenAPI reads,
 * exports and copies it, and clones it into a repository by VDI.copy.
 *
 * A vDisk's own VDI is what its production machines boot: its size and its content are those of that version.
 */
import { productionVersion } from '../../control/index.ts';
import type { Ref } from '../datamodel/description.ts';
import { PBD } from '../datamodel/pbd.ts';
import { SM } from '../datamodel/sm.ts';
import { SR } from '../datamodel/sr.ts';
import { VDI } from '../datamodel/vdi.ts';
import { VDISK_SR, VDISK_SR_ID } from '../disks/vdisk-sr.ts';
import { emptyRecord } from '../objects/defaults.ts';
import type { AnyRecord } from '../objects/objects.ts';
import type { FollowedTable, Projection } from '../objects/projector.ts';
import { refOf, uuidOf } from '../objects/refs.ts';
import type { Xen } from '../xen.ts';
import { dropVbdsOf } from './control-domain.ts';
import { UNKNOWN_SIZE } from './repository-records.ts';
import { HOST_REF } from './site-records.ts';

type VdiskRecord = NonNullable<ReturnType<Xen['control']['catalog']['vdisks']['byId']>>;
type VersionRecord = NonNullable<ReturnType<Xen['control']['catalog']['versions']['byId']>>;

export function vdisksProjection(xen: Xen): Projection {
  return new VdisksProjection(xen);
}

class VdisksProjection implements Projection {
  readonly tables = ['vdisks', 'versions'] as const;
  readonly classes = [];
  readonly #xen: Xen;
  /** vDisks by version: of a version that is gone nobody can ask whose it was. */
  readonly #owners = new Map<string, string>();
  /** Sealed versions by vDisk. */
  readonly #shown = new Map<string, ReadonlySet<string>>();

  constructor(xen: Xen) {
    this.#xen = xen;
  }

  load(): void {
    const { objects, control } = this.#xen;
    const origin = { kind: 'own', id: VDISK_SR_ID } as const;
    objects.put(SM.name, refOf(SM.name, TYPE), smRecord(control.version), origin);
    objects.put(SR.name, VDISK_SR, SR_RECORD, origin);
    objects.put(PBD.name, refOf(PBD.name, VDISK_SR_ID), PBD_RECORD, origin);
    for (const { id } of this.#xen.control.catalog.vdisks.all()) this.#show(id);
  }

  changed(table: FollowedTable, id: string): void {
    if (table === 'vdisks') {
      this.#show(id);
      return;
    }
    const owner = this.#xen.control.catalog.versions.byId(id)?.vdiskId ?? this.#owners.get(id);
    if (owner !== undefined) this.#show(owner);
  }

  keptChanged(): void {}

  /** With its versions: which of them are in use depends on the others. */
  #show(vdiskId: string): void {
    const { control, objects } = this.#xen;
    const vdisk = control.catalog.vdisks.byId(vdiskId);
    const ref = refOf(VDI.name, vdiskId);
    const versions = vdisk === undefined ? [] : control.catalog.versions.ofVdisk(vdiskId);
    const sealed = versions.filter(isSealed);
    const there = new Set(sealed.map(({ id }) => id));
    for (const id of this.#shown.get(vdiskId) ?? []) {
      if (there.has(id)) continue;
      this.#owners.delete(id);
      this.#remove(refOf(VDI.name, id));
    }
    this.#shown.set(vdiskId, there);
    if (vdisk === undefined) {
      this.#shown.delete(vdiskId);
      this.#remove(ref);
      return;
    }
    objects.put(VDI.name, ref, this.#ofVdisk(vdisk, versions), { kind: 'vdisk', id: vdiskId });
    for (const version of sealed) {
      this.#owners.set(version.id, vdiskId);
      const record = ofVersion(vdisk, version, ref);
      objects.put(VDI.name, refOf(VDI.name, version.id), record, {
        kind: 'version',
        id: version.id,
      });
    }
  }

  #remove(ref: Ref): void {
    this.#xen.objects.delete(VDI.name, ref);
    dropVbdsOf(this.#xen, ref);
  }

  #ofVdisk(vdisk: VdiskRecord, versions: readonly VersionRecord[]): AnyRecord {
    const { control } = this.#xen;
    const chosen = productionVersion(vdisk, versions, control.clock.now());
    const version = chosen.kind === 'sealed' ? chosen.version : undefined;
    return {
      ...EMPTY,
      uuid: vdisk.id,
      location: vdisk.id,
      name_label: vdisk.name,
      name_description: vdisk.description,
      virtual_size: version?.size ?? versions.findLast(isSealed)?.size ?? 0,
      physical_utilisation: version?.dataBytes ?? 0,
      tags: version === undefined ? [] : [`version-${version.number}`],
    };
  }
}

function ofVersion(vdisk: VdiskRecord, version: SealedVersion, snapshotOf: Ref): AnyRecord {
  return {
    ...EMPTY,
    uuid: version.id,
    location: version.id,
    name_label: `${vdisk.name} version ${version.number}`,
    name_description: version.description,
    virtual_size: version.size,
    physical_utilisation: version.dataBytes,
    is_a_snapshot: true,
    snapshot_of: snapshotOf,
    snapshot_time: version.sealedAt,
    tags: [version.state],
  };
}

type SealedVersion = Exclude<VersionRecord, { readonly state: 'maintenance' }>;

function isSealed(version: VersionRecord): version is SealedVersion {
  return version.state !== 'maintenance';
}

/** As drivers are called that XenServer's users know. */
const TYPE = 'rootcast-vdisk';

const SR_RECORD: AnyRecord = {
  ...emptyRecord(SR),
  ...{ uuid: uuidOf(SR.name, VDISK_SR_ID), name_label: 'vDisks', type: TYPE, content_type: 'user' },
  name_description:
    'Disks that machines boot from, and their versions. Read-only: copy what is to be changed',
  ...{ shared: true, physical_size: UNKNOWN_SIZE, physical_utilisation: UNKNOWN_SIZE },
};

/** Always attached: there is nothing to detach. */
const PBD_RECORD: AnyRecord = {
  ...emptyRecord(PBD),
  ...{ uuid: uuidOf(PBD.name, VDISK_SR_ID), host: HOST_REF, SR: VDISK_SR },
  currently_attached: true,
};

/** A driver that can do nothing but read. */
function smRecord(version: string): AnyRecord {
  return {
    ...emptyRecord(SM),
    ...{
      uuid: uuidOf(SM.name, TYPE),
      name_label: 'vDisks',
      type: TYPE,
      vendor: 'Rootcast',
      version,
    },
    name_description: 'Disks that machines boot from',
    capabilities: FEATURES,
    features: new Map(FEATURES.map((feature) => [feature, 1])),
  };
}

const FEATURES = ['VDI_ATTACH', 'VDI_DETACH', 'VDI_UPDATE'];

const EMPTY: AnyRecord = {
  ...emptyRecord(VDI),
  ...{ type: 'system', managed: true, read_only: true, SR: VDISK_SR },
};
