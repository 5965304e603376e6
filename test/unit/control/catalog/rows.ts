/** One row of each table, that refer to each other. */
import type {
  LayerRecord,
  SealedVersion,
  TaskRecord,
  VdiskRecord,
} from '../../../../src/control/catalog/records.ts';
import type {
  HostRecord,
  RepositoryRecord,
  SnapshotRecord,
  VolumeRecord,
} from '../../../../src/control/catalog/storage/records.ts';

export const REPOSITORY: RepositoryRecord = {
  ...{ id: 'r', name: 'san1', description: '', kind: 'iscsi', settings: {}, state: 'detached' },
  ...{ reason: undefined, info: undefined, capabilities: undefined, warningPercent: 80 },
  ...{ criticalPercent: 90, spaceLevel: 'normal', createdAt: 1 },
};

export const VOLUME: VolumeRecord = {
  ...{ id: 'vol', repositoryId: 'r', name: 'db', description: '', size: 4096, thin: true },
  ...{ wwid: undefined, handle: { kind: 'layers' }, role: 'volume', parentSnapshotId: undefined },
  ...{ parentVolumeId: undefined, headSnapshotId: undefined, createdAt: 1 },
};

export const SNAPSHOT: SnapshotRecord = {
  ...{ id: 'snap', repositoryId: 'r', volumeId: 'vol', volumeName: 'db', name: 'monday' },
  ...{ description: '', parentId: undefined, groupId: undefined, size: 4096, handle: {} },
  ...{ emulated: true, consistency: 'crash', scheduleId: undefined, held: false, createdAt: 1 },
};

export const HOST: HostRecord = {
  ...{ id: 'h', name: 'web7', description: '', iqns: [], addresses: ['192.0.2.7'], createdAt: 1 },
};

export const VDISK: VdiskRecord = {
  ...{ id: 'v', name: 'debian', description: '', pinnedVersion: undefined, createdAt: 1 },
  ...{ repositoryId: undefined, overlayRepositoryId: undefined },
};

export const LAYER: LayerRecord = {
  ...{ id: 'layer', parentId: undefined, volumeId: 'layer', contentId: 'content', size: 4096 },
  ...{ dataBytes: 0, ownBytes: 0, verifiedAt: undefined, damagedChunks: 0, createdAt: 1 },
};

export const VERSION: SealedVersion = {
  ...{ id: 'v1', vdiskId: 'v', number: 1, parentNumber: undefined, description: '', format: 'raw' },
  ...{ kernelArguments: '', createdAt: 1, state: 'production', layerId: 'layer', size: 4096 },
  ...{ contentId: 'content', dataBytes: 0, releaseAt: undefined, sealedAt: 1 },
  bootFiles: {
    ...{ kernel: undefined, initrd: undefined, rootPartition: '', rootFilesystem: undefined },
    ...{ initramfs: 'unknown', given: false },
  },
};

export const TASK: TaskRecord = {
  ...{ id: 't', kind: 'vdisk.import', subject: 'vdisk/debian', actor: 'api', state: 'running' },
  ...{ percent: 0, message: '', result: undefined, error: undefined, createdAt: 1 },
  endedAt: undefined,
};
