/** What a version says that can be done with it is what can be done. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addMachine,
  beginVersion,
  sealVersion,
  showVersion,
  type VersionView,
} from '../../../src/control/index.ts';
import { LifecycleRig } from '../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('what a version says that can be done with it', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let rig: LifecycleRig;

  beforeEach(async () => {
    folder = await temporaryFolder('actions');
    rig = await LifecycleRig.open(folder.path, { consolidateBeyond: 1 });
    await rig.importDisk('v', Buffer.alloc(8 * 65_536, 1));
    addMachine(rig.control, {
      ...{ name: 'editor', mac: '525400000001', vdisk: 'v', class: 'maintenance' },
    });
  });

  afterEach(async () => {
    await rig.close();
    await folder.remove();
  });

  const version = (number: number): VersionView => showVersion(rig.control, 'v', number);

  test('one that no machine has booted cannot be sealed', async () => {
    beginVersion(rig.control, 'v', {});
    const reason = 'no machine has booted it yet: there is nothing to seal';
    expect(version(2).actions.seal).toEqual({ possible: false, reason });
    expect(() => sealVersion(rig.control, 'v', 2)).toThrow(reason);
    const connection = await rig.connect('machine/editor');
    await connection.close();
    expect(version(2).actions.seal).toEqual({ possible: true, reason: null });
    expect(await rig.done(sealVersion(rig.control, 'v', 2))).toMatchObject({ state: 'test' });
  });
});
