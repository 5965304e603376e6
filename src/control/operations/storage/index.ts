export { adoptVolume } from './adopt-volume.ts';
export { attachRepository, detachRepository } from './attach-repository.ts';
export { checkRepository, checkStorage } from './check-repository.ts';
export { cloneSnapshot, cloneVolume } from './clone-volume.ts';
export { createRepository } from './create-repository.ts';
export { createSnapshot, snapshotVolumeGroup } from './create-snapshot.ts';
export { createVolume } from './create-volume.ts';
export { deleteRepository, forgetRepository } from './delete-repository.ts';
export { deleteSnapshot } from './delete-snapshot.ts';
export { deleteVolume } from './delete-volume.ts';
export { diffSnapshots } from './diff-snapshots.ts';
export { fenceHost, listFences, unfenceHost } from './fences.ts';
export { listRepositoryKinds, probeStorage } from './find-arrays.ts';
export { addHook, deleteHook, listHooks, showHook, updateHook } from './hooks.ts';
export { addHost, deleteHost, listHosts, showHost, updateHost } from './hosts.ts';
export {
  listRepositories,
  refreshRepository,
  repositoryHealth,
  showRepository,
} from './list-repositories.ts';
export { listSnapshots, showSnapshot } from './list-snapshots.ts';
export { listForeignVolumes, listVolumes, showVolume } from './list-volumes.ts';
export { listMappings, mapVolume, unmapVolume } from './mappings.ts';
export { resizeVolume } from './resize-volume.ts';
export { revertVolume } from './revert-volume.ts';
export {
  addSnapshotSchedule,
  deleteSnapshotSchedule,
  listSnapshotSchedules,
  runSnapshotSchedule,
  showSnapshotSchedule,
  updateSnapshotSchedule,
} from './snapshot-schedules.ts';
export { splitVolume } from './split-volume.ts';
export { type TakenUp, takeUpVolumes } from './take-up-volumes.ts';
export { updateRepository } from './update-repository.ts';
export { updateSnapshot } from './update-snapshot.ts';
export { updateVolume } from './update-volume.ts';
export {
  addVolumeGroup,
  deleteVolumeGroup,
  listVolumeGroups,
  showVolumeGroup,
  updateVolumeGroup,
} from './volume-groups.ts';
