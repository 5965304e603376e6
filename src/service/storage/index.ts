/** Storage repositories: attached arrays, their volumes and snapshots, and what workers open of them. */
export { ADAPTERS } from './adapters.ts';
export { LayerRepositories } from './layer-repositories.ts';
export { type OpenStorage, openStorage, type StorageOptions } from './open-storage.ts';
export { inFaults } from './storage-fault.ts';
export { WorkerBarrier } from './worker-barrier.ts';
