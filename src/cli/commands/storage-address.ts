/** REPOSITORY/VOLUME and REPOSITORY/VOLUME@SNAPSHOT, as arguments. */
import { InvalidArgumentError } from 'commander';
import { part } from '../session.ts';

export interface VolumeAddress {
  readonly repository: string;
  readonly volume: string;
}

export interface SnapshotAddress {
  readonly repository: string;
  /** VOLUME@SNAPSHOT, or an id. */
  readonly snapshot: string;
}

export function parseVolumeAddress(text: string): VolumeAddress {
  const [repository = '', volume = '', more] = text.split('/');
  if (repository !== '' && volume !== '' && more === undefined && !volume.includes('@')) {
    return { repository, volume };
  }
  throw new InvalidArgumentError('REPOSITORY/VOLUME is expected, e.g. san1/database.');
}

export function parseSnapshotAddress(text: string): SnapshotAddress {
  const [repository = '', snapshot = '', more] = text.split('/');
  if (repository !== '' && snapshot !== '' && more === undefined) return { repository, snapshot };
  throw new InvalidArgumentError(
    'REPOSITORY/VOLUME@SNAPSHOT is expected, e.g. san1/database@monday, or REPOSITORY/ID.',
  );
}

export function volumePath({ repository, volume }: VolumeAddress): string {
  return `/repositories/${part(repository)}/volumes/${part(volume)}`;
}

export function snapshotPath({ repository, snapshot }: SnapshotAddress): string {
  return `/repositories/${part(repository)}/snapshots/${part(snapshot)}`;
}
