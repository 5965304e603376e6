import { join } from 'node:path';

/** The name of this adapter in a locator. */
export const LOCAL_ADAPTER = 'local';

export const VOLUME_ENDING = '.volume';

/** @param id checked with checkVolumeId */
export function volumePath(folder: string, id: string): string {
  return join(folder, id + VOLUME_ENDING);
}
