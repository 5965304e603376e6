import type { BootCatalog } from '../../src/pxe/boot-catalog.ts';

/** Of a boot server that has no machine; a test says with `{ ...EMPTY_BOOT_CATALOG, … }` what it has to have. */
export const EMPTY_BOOT_CATALOG: BootCatalog = {
  decide: () => ({ kind: 'ignore' }),
  isUp: () => false,
  bootRequested: () => ({ kind: 'local-disk', reason: '' }),
  identity: () => ({ kind: 'unknown' }),
  cacheReported: () => ({ kind: 'unknown' }),
  openFile: () => undefined,
  personality: () => undefined,
};
