/** What has come becomes the catalog's: the vDisk, its versions and their layers, all at once. */
import { Fault } from '../../../errors/index.ts';
import type { SealedVersion, VdiskRecord } from '../../catalog/records.ts';
import type { Control, RecordEvent } from '../../control.ts';
import type { ReceivedBundleView } from '../../schemas/transfer.ts';
import type { ReceivedBundle } from '../../transfer-port.ts';
import { insertLayer } from '../../versions/layer-records.ts';
import { vdiskView } from '../vdisk-view.ts';
import {
  type BundlePlan,
  type NewVersion,
  planBundle,
  type ReceiveOptions,
} from './bundle-plan.ts';

/**
 * @param origin where it came from, for people
 * @throws Fault as planBundle; then nothing has changed
 */
export function keepBundle(
  control: Control,
  received: ReceivedBundle,
  options: ReceiveOptions,
  origin: string,
): ReceivedBundleView {
  return control.change((record) => {
    const { vdisks, layers } = control.catalog;
    const plan = planBundle(control, received.head, options);
    const vdisk = plan.vdisk ?? newVdisk(control, plan);
    // What a version stood on when it began to come may have been merged since: what holds the same now?
    for (const { parentId, ...layer } of received.layers) {
      const parent = parentId === undefined ? undefined : layers.resolve(parentId);
      insertLayer(control, layer, parent);
    }
    for (const version of plan.added) insertVersion(control, vdisk, version, received);
    vdisks.reachVersion(vdisk.id, Math.max(...received.head.versions.map(({ number }) => number)));
    tell(record, plan, received, origin);
    const { chunksReceived, chunksLocal, bytesReceived } = received;
    return {
      vdisk: vdiskView(control, vdisk),
      added: plan.added.map(({ number }) => number),
      present: [...plan.present],
      ...{ chunksReceived, chunksLocal, bytesReceived },
    };
  });
}

function newVdisk({ catalog, clock, newId }: Control, plan: BundlePlan): VdiskRecord {
  const { name, description } = plan;
  const vdisk = {
    ...{ id: newId(), name, description },
    ...{ pinnedVersion: undefined, repositoryId: undefined, overlayRepositoryId: undefined },
    createdAt: clock.now(),
  };
  catalog.vdisks.insert(vdisk);
  return vdisk;
}

function insertVersion(
  { catalog, clock, newId }: Control,
  vdisk: VdiskRecord,
  { createdAt, ...facts }: NewVersion,
  received: ReceivedBundle,
): void {
  const now = clock.now();
  const found = received.versions.find(({ number }) => number === facts.number);
  const layer = catalog.layers.byId(catalog.layers.resolve(found?.layerId ?? ''));
  if (found === undefined || layer === undefined) {
    throw new Fault('INTERNAL', `version ${facts.number} of ${vdisk.name} has no layer`);
  }
  const version: SealedVersion = {
    id: newId(),
    vdiskId: vdisk.id,
    ...facts,
    format: 'bundle',
    layerId: layer.id,
    contentId: layer.contentId,
    size: layer.size,
    dataBytes: layer.dataBytes,
    bootFiles: found.bootFiles,
    releaseAt: undefined,
    createdAt: Math.min(createdAt ?? now, now),
    sealedAt: now,
  };
  catalog.versions.insert(version);
}

function tell(
  record: RecordEvent,
  plan: BundlePlan,
  received: ReceivedBundle,
  origin: string,
): void {
  const { name, added, present, vdisk } = plan;
  const { chunksReceived, chunksLocal, bytesReceived } = received;
  const numbers = added.map(({ number }) => number);
  const what =
    numbers.length === 0
      ? `nothing that vDisk ${name} lacks`
      : `${vdisk === undefined ? '' : 'new '}versions ${numbers.join(', ')} of vDisk ${name}`;
  record({
    kind: 'vdisk.received',
    subject: `vdisk/${name}`,
    message: `${what} came from ${origin}`,
    data: { versions: numbers, present: [...present], chunksReceived, chunksLocal, bytesReceived },
  });
}
