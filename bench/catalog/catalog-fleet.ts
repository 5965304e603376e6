/** A catalog as it is after some years: one vDisk with many versions, some others, and their machines. */
import { randomUUID } from 'node:crypto';
import { isSealed } from '../../src/control/catalog/records.ts';
import {
  addCollection,
  addMachine,
  type Control,
  createControl,
  openCatalog,
} from '../../src/control/index.ts';
import { IdleDataPlane, NO_IMAGES, NO_TRANSFERS } from './idle-ports.ts';
import type { Options } from './options.ts';

const COLLECTIONS = 20;
/** Chains are merged before they are deeper. */
const CHAIN = 16;
const DISK_BYTES = 100 * 2 ** 30;
const BIG = 'vdisk-0';

export interface Fleet {
  readonly control: Control;
  /** Of every machine. */
  readonly macs: readonly string[];
  readonly bigVdisk: string;
  readonly clock: { time: number };
}

/** @param path of the database, or `:memory:` */
export function createFleet(path: string, options: Options): Fleet {
  const clock = { time: Date.UTC(2026, 0, 2) };
  const dataPlane = new IdleDataPlane();
  const control = createControl({
    catalog: openCatalog(path),
    dataPlane,
    images: NO_IMAGES,
    transfers: NO_TRANSFERS,
    clock: { now: () => clock.time },
    newId: () => randomUUID(),
    serverName: 'bench',
    version: '0',
  });
  const macs = control.catalog.transaction(() => {
    for (let index = 0; index < options.vdisks; index++) {
      addVdisk(control, `vdisk-${index}`, index === 0 ? options.versions : 3);
    }
    for (let index = 0; index < COLLECTIONS; index++) {
      addCollection(control, { name: `collection-${index}`, vdisk: BIG, quota: '10GiB' });
    }
    return Array.from({ length: options.machines }, (_, index) =>
      addOneMachine(control, dataPlane, index, options),
    );
  });
  return { control, macs, bigVdisk: BIG, clock };
}

function addVdisk({ catalog, clock, newId }: Control, name: string, versions: number): void {
  const createdAt = clock.now();
  const vdisk = {
    id: newId(),
    name,
    description: '',
    pinnedVersion: undefined,
    repositoryId: undefined,
    overlayRepositoryId: undefined,
    createdAt,
  };
  catalog.vdisks.insert(vdisk);
  let below: string | undefined;
  for (let number = 1; number <= versions; number++) {
    const layerId = newId();
    const contentId = Buffer.from(layerId).toString('hex').slice(0, 64);
    const sizes = { size: DISK_BYTES, dataBytes: 2 ** 34 };
    catalog.layers.insert({
      id: layerId,
      parentId: number % CHAIN === 1 ? undefined : below,
      volumeId: layerId,
      contentId,
      ...sizes,
      ownBytes: 2 ** 28,
      verifiedAt: undefined,
      damagedChunks: 0,
      createdAt,
    });
    below = layerId;
    catalog.versions.insert({
      id: newId(),
      vdiskId: vdisk.id,
      number,
      parentNumber: number === 1 ? undefined : number - 1,
      description: 'monthly updates',
      format: number === 1 ? 'qcow2' : 'maintenance',
      bootFiles: {
        kernel: 'vmlinuz',
        initrd: 'initrd.img',
        rootPartition: 'p1',
        rootFilesystem: 'ext4',
        initramfs: 'initramfs-tools',
        given: false,
      },
      kernelArguments: '',
      createdAt,
      state: number === versions && number > 1 ? 'test' : 'production',
      layerId,
      contentId,
      ...sizes,
      releaseAt: undefined,
      sealedAt: createdAt,
    });
  }
}

/** Most boot the large vDisk; every fourth has a persistent write cache, some of an old version. */
function addOneMachine(
  control: Control,
  dataPlane: IdleDataPlane,
  index: number,
  { vdisks, boots }: Options,
): string {
  const { catalog } = control;
  const mac = `0200${index.toString(16).padStart(8, '0')}`;
  const inCollection = index % 2 === 0;
  const vdisk = index % 5 === 1 ? `vdisk-${index % vdisks}` : BIG;
  const { id } = addMachine(control, {
    name: `machine-${index}`,
    mac,
    ...(inCollection ? { collection: `collection-${index % COLLECTIONS}` } : { vdisk }),
    ...(index % 4 === 3 ? { cacheMode: 'server-persistent' } : {}),
    ...(index % 10 === 9 ? { class: 'test' } : {}),
  });
  const versions = catalog.versions.ofVdisk(catalog.machines.byId(id)?.vdiskId ?? '');
  const stands = versions[Math.max(0, versions.length - 1 - (index % 7))];
  if (stands !== undefined && isSealed(stands)) dataPlane.standsOn.set(id, stands.layerId);
  for (let count = 0; count < boots; count++) {
    const at = control.clock.now();
    const boot = catalog.boots.insert(id, vdisk, 1, at);
    catalog.boots.stage(boot, 'first-block', at + 1);
    catalog.boots.end(boot, 'quiet', at + 2, 2);
  }
  return mac;
}
