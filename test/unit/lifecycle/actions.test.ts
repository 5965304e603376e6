/** What a version says that can be done with it is what can be done. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addMachine,
  beginVersion,
  deleteMachine,
  deleteVdisk,
  deleteVersion,
  mergeVersion,
  promoteVersion,
  requestBoot,
  resetMachine,
  sealVersion,
  showVersion,
  type VersionView,
  verifyVdisk,
} from '../../../src/control/index.ts';
import { LifecycleRig } from '../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const MAC = '525400000001';

describe('what a version says that can be done with it', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let rig: LifecycleRig;

  beforeEach(async () => {
    folder = await temporaryFolder('actions');
    rig = await LifecycleRig.open(folder.path, { consolidateBeyond: 1 });
    await rig.importDisk('v', Buffer.alloc(8 * 65_536, 1));
    addMachine(rig.control, {
      ...{ name: 'editor', mac: MAC, vdisk: 'v', class: 'maintenance' },
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

  test('one in maintenance cannot be verified: there is no manifest to hold it to', async () => {
    const { number } = beginVersion(rig.control, 'v', {});
    expect(version(number).actions.verify.possible).toBe(false);
    expect(() => verifyVdisk(rig.control, 'v', number)).toThrow(/in maintenance; seal it first/);
    // All versions are all that have one.
    expect(await rig.done(verifyVdisk(rig.control, 'v'))).toMatchObject({ layers: 1 });
  });

  /** The next version, in test, with nothing written into it. */
  async function make(): Promise<void> {
    const { number } = beginVersion(rig.control, 'v', {});
    await requestBoot(rig.control, MAC);
    const connection = await rig.connect('machine/editor');
    await connection.close();
    await rig.done(sealVersion(rig.control, 'v', number));
  }

  test.each([
    ['2001-05-01T00:00:00Z', 'is over already'],
    ['2127-02-30T00:00:00Z', 'is not a time'],
    ['2127-13-01T00:00:00Z', 'is not a time'],
  ])('a release at %s releases nothing: it %s', async (releaseAt, why) => {
    await make();
    expect(() => promoteVersion(rig.control, 'v', 2, { releaseAt })).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        message: `releaseAt ${why}: ${releaseAt}`,
        details: expect.objectContaining({ field: 'releaseAt', value: releaseAt }),
      }),
    );
    expect(version(2)).toMatchObject({ state: 'test', releaseAt: null });
  });

  test('two layers are one difference already: no merge begins that can only fail', async () => {
    await make();
    expect(rig.catalog.tasks.all().map(({ kind }) => kind)).not.toContain('version.merge');
    expect(() => mergeVersion(rig.control, 'v', 2, { mode: 'partial' })).toThrow(
      expect.objectContaining({
        message: 'version 2 of vDisk v is one difference over its base already',
        details: { field: 'mode', value: 'partial', expected: 'full, for a base of its own' },
      }),
    );
    expect(version(2).actions.merge.possible).toBe(true);
    const full = await rig.done(mergeVersion(rig.control, 'v', 2, { mode: 'full' }));
    expect(full).toMatchObject({ depth: 1 });
  });

  test('one that is being deleted says which machines keep it', async () => {
    addMachine(rig.control, { name: 'pc-1', mac: '525400000002', vdisk: 'v' });
    const before = await rig.connect('machine/pc-1');
    await before.close();
    await make();
    promoteVersion(rig.control, 'v', 2);
    expect(await deleteVersion(rig.control, 'v', 1)).toEqual({ state: 'deleting' });
    // It is off, and may stay off for long: whoever wants the space has to know whose cache to reset.
    expect(version(1).actions.delete.reason).toBe(
      'it is being deleted: it goes when its last reader has left; the write cache of pc-1 stands on it',
    );
    await resetMachine(rig.control, 'pc-1');
    await rig.observe();
    expect(() => version(1)).toThrow(/has no version 1/);
  });

  test('no lock is left of versions that are gone', async () => {
    await make();
    await make();
    for (const { id } of rig.catalog.tasks.running()) await rig.control.tasks.settled(id); // a merge follows
    const versions = rig.catalog.versions.ofVdisk(rig.catalog.vdisks.byName('v')?.id ?? '');
    const locks = (): number =>
      versions.filter(({ id }) => rig.catalog.locks.byName(`version/${id}`) !== undefined).length;
    expect(locks()).toBe(2);
    await deleteMachine(rig.control, 'editor');
    promoteVersion(rig.control, 'v', 3);
    await deleteVersion(rig.control, 'v', 2);
    expect(locks()).toBe(1);
    await deleteVdisk(rig.control, 'v');
    expect(locks()).toBe(0);
  });
});
