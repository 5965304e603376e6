/** A folder keeps the contract of an array, wherever temporary files are; on Btrfs and XFS: test/interop/local. */

import { localSubject } from '../support/local-arrays.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { describeArrayControl } from './array-control.ts';

describeArrayControl('a folder', async () => {
  const folder = await temporaryFolder('local-array');
  return { ...localSubject(folder.path), dispose: () => folder.remove() };
});
