import type { IscsiSettings } from './settings.ts';

/** What every session of a repository has in common. */
export function accessOf({
  initiatorName,
  chap,
  patienceMs,
  headerDigest,
  dataDigest,
}: IscsiSettings) {
  return {
    initiatorName,
    headerDigest,
    dataDigest,
    ...(chap === undefined ? {} : { chap }),
    ...(patienceMs === undefined ? {} : { patienceMs }),
  };
}
