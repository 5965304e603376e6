/** A control plane without repositories: everything is refused, and nothing breaks. */
import { Fault } from '../errors/index.ts';
import type { BootMedia } from './boot-media-port.ts';
import type { HookRunner } from './hook-port.ts';
import type { ImagePreparer } from './prepare-port.ts';
import type { LayerReplicas } from './replica-port.ts';
import type { Storage } from './storage-port.ts';

function refuse(): never {
  throw new Fault('UNAVAILABLE', 'this service has no storage repositories', {
    field: 'storage',
    expected: 'a service that was built with them',
  });
}

async function refuseLater(): Promise<never> {
  return refuse();
}

export const NO_BOOT_MEDIA: BootMedia = {
  build: async () => {
    throw new Fault('UNAVAILABLE', 'this service makes no boot media', { field: 'bootMedia' });
  },
};

const refusePreparation = (): never => {
  const details = { field: 'prepare', value: true, expected: 'an import without it' };
  throw new Fault('UNAVAILABLE', 'this service prepares no images', details);
};

export const NO_PREPARER: ImagePreparer = {
  check: refusePreparation,
  prepare: async () => refusePreparation(),
};

export const NO_STORAGE: Storage = {
  kinds: refuse,
  isAttached: () => false,
  probe: refuseLater,
  check: refuseLater,
  attach: refuseLater,
  detach: refuseLater,
  space: refuseLater,
  deviceSize: () => undefined,
  info: refuse,
  refresh: refuseLater,
  health: refuseLater,
  createVolume: refuseLater,
  deleteVolume: refuseLater,
  resizeVolume: refuseLater,
  settle: refuseLater,
  listForeign: refuseLater,
  adopt: refuseLater,
  volumeLive: refuseLater,
  snapshot: refuseLater,
  deleteSnapshot: refuseLater,
  clone: refuseLater,
  split: refuseLater,
  revert: refuseLater,
  diff: refuseLater,
  map: refuseLater,
  unmap: refuseLater,
  mappings: refuseLater,
  fence: refuseLater,
  unfence: refuseLater,
  fenced: refuseLater,
};

export const NO_HOOKS: HookRunner = {
  check: refuse,
  run: async () => ({ succeeded: false, how: 'this service runs no hooks', output: '' }),
};

export const NO_REPLICAS: LayerReplicas = {
  copy: refuseLater,
  remove: refuseLater,
  isRead: () => false,
};
