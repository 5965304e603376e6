import { Fault } from '../errors/index.ts';
import { VOLUME_ID_LENGTH } from './limits.ts';

const PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** A volume's name is also a file name or an array's object name, so it is kept plain. */
export function checkVolumeId(id: string): void {
  if (id.length <= VOLUME_ID_LENGTH && PATTERN.test(id)) return;
  throw new Fault('INVALID_INPUT', `"${id}" cannot name a volume`, {
    field: 'volume.id',
    value: id,
    expected: `1 to ${VOLUME_ID_LENGTH} letters, digits, '.', '_' or '-', not first a mark`,
  });
}
