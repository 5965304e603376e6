import { bytes, facts, table, time } from '../format.ts';
import type { SizedVolume, Volume } from '../storage-answers.ts';

export const sizedText =
  (how: string) =>
  ({ volume, requestedSize }: SizedVolume): string => {
    const { repository, name, size } = volume;
    const rounded = size === requestedSize ? '' : `, rounded up from ${requestedSize}`;
    return `volume ${repository}/${name} ${how}: ${bytes(size)} (${size} bytes${rounded})\n`;
  };

export function volumesText(volumes: readonly Volume[]): string {
  return table(
    ['volume', 'size', 'thin', 'role', 'stands on', 'snapshots', 'groups', 'created'],
    volumes.map((volume) => [
      `${volume.repository}/${volume.name}`,
      bytes(volume.size),
      volume.thin ? 'yes' : 'no',
      volume.role,
      volume.parent ?? '-',
      String(volume.snapshots),
      volume.groups.join(', ') || '-',
      time(volume.createdAt),
    ]),
  );
}

export function volumeText(volume: Volume): string {
  const { connections, allocated } = volume;
  return facts([
    ['volume', `${volume.repository}/${volume.name}`],
    ['description', volume.description || '-'],
    ['size', `${bytes(volume.size)} (${volume.size} bytes)`],
    ...(allocated === undefined || allocated === null
      ? []
      : [['occupies', bytes(allocated)] as const]),
    ['thin', volume.thin ? 'yes' : 'no'],
    ['wwid', volume.wwid ?? '-'],
    ['role', volume.role],
    ['stands on', volume.parent ?? 'nothing'],
    ['snapshots', String(volume.snapshots)],
    ['groups', volume.groups.join(', ') || '-'],
    ['export', volume.export],
    ...(connections === undefined || connections === null
      ? []
      : [['connections', String(connections)] as const]),
    ['created', time(volume.createdAt)],
  ]);
}
