/** Repositories and volumes: the ports that adapters implement. Read first: ports.ts. */
export { deleteVolumes } from './delete-volumes.ts';
export type {
  RepositorySpace,
  Volume,
  VolumeControl,
  VolumeData,
  VolumeLocator,
} from './ports.ts';
export { checkVolumeId } from './volume-id.ts';
