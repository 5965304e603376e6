import { describe, expect, test } from 'vitest';
import { ArrayError } from '../../../src/errors/index.ts';
import { CAPABILITY_FLAGS } from '../../../src/repositories/index.ts';
import { type ArrayBench, newTag, opId, outcome } from './bench.ts';

export function testFlags(bench: ArrayBench): void {
  describe('what it says of itself', () => {
    test('has every flag, frozen, and a facet for each thing it can', () => {
      const { info, snapshots, clones, masking, replication } = bench.control;
      expect(Object.keys(info.capabilities).sort()).toEqual([...CAPABILITY_FLAGS].sort());
      expect(Object.isFrozen(info.capabilities)).toBe(true);
      const has = (facet: unknown): boolean => facet !== undefined;
      expect(has(snapshots)).toBe(bench.can('snapshot'));
      expect(has(clones)).toBe(bench.can('cloneLinked') || bench.can('cloneFull'));
      expect(has(masking)).toBe(bench.can('maskIqn') || bench.can('maskIp'));
      expect(has(replication)).toBe(bench.can('replicate'));
      expect(has(snapshots?.revert)).toBe(bench.can('revert'));
      expect(has(snapshots?.diff)).toBe(bench.can('changedBlocks'));
      expect(has(clones?.split)).toBe(bench.can('split'));
      expect(has(masking?.fence)).toBe(bench.can('fence'));
      expect(has(masking?.unfence)).toBe(bench.can('fence'));
      expect(bench.can('thin') || bench.can('thick')).toBe(true);
    });

    test('has limits that make sense', () => {
      const { sizeGranularity, sizeMinimum, sizeMaximum, nameLength } = bench.control.info.limits;
      for (const limit of [sizeGranularity, sizeMinimum, sizeMaximum, nameLength]) {
        expect(Number.isSafeInteger(limit) && limit >= 1, String(limit)).toBe(true);
      }
      expect(sizeMinimum % sizeGranularity).toBe(0);
      expect(sizeMaximum).toBeGreaterThanOrEqual(sizeMinimum);
      expect(nameLength).toBeGreaterThanOrEqual(16);
      expect(bench.control.info.serial).not.toBe('');
    });

    test('refuses with UNSUPPORTED what its flags say it cannot, and nothing is made', async () => {
      const { control, size } = bench;
      const wanted = { opId: opId(), tag: newTag(), name: bench.name(), size };
      if (!bench.can('thick')) {
        expect(await outcome(control.createVolume({ ...wanted, thin: false }))).toBe('UNSUPPORTED');
      }
      if (!bench.can('thin')) {
        expect(await outcome(control.createVolume({ ...wanted, thin: true }))).toBe('UNSUPPORTED');
      }
      expect(await bench.listAll(true)).toEqual([]);
      const volume = await bench.create();
      const grown = { opId: opId(), ref: volume.ref, size: size * 2 };
      if (!bench.can('resizeOnline') && !bench.can('resizeOffline')) {
        expect(await outcome(control.resizeVolume(grown))).toBe('UNSUPPORTED');
      }
      const adopted = { opId: opId(), ref: volume.ref, tag: newTag() };
      if (!bench.can('adopt')) {
        expect(await outcome(control.adoptVolume(adopted))).toBe('UNSUPPORTED');
      }
      if (control.clones !== undefined) {
        for (const kind of ['linked', 'full'] as const) {
          if (bench.can(kind === 'linked' ? 'cloneLinked' : 'cloneFull')) continue;
          expect(await outcome(bench.clone(volume.ref, kind))).toBe('UNSUPPORTED');
        }
      }
      expect((await bench.listAll(true)).map(({ ref }) => ref)).toEqual([volume.ref]);
    });

    test('tells its space and its health', async () => {
      const space = await bench.control.space();
      if (space !== undefined) {
        const { total, free, provisioned = 0 } = space;
        expect(free).toBeGreaterThanOrEqual(0);
        expect(total).toBeGreaterThanOrEqual(free);
        expect(provisioned).toBeGreaterThanOrEqual(0);
      }
      const health = await bench.control.health();
      expect(['good', 'degraded', 'failed', 'unknown']).toContain(health.state);
      if (health.state === 'degraded' || health.state === 'failed') {
        expect(health.messages.length).toBeGreaterThan(0);
      }
    });

    test('lets no secret out', async () => {
      const { secrets = [] } = bench.subject;
      const volume = await bench.create();
      const missing = { ...volume.ref, name: bench.name(), nativeId: 'no-such-id' };
      const failed = await bench.control
        .resizeVolume({ opId: opId(), ref: missing, size: bench.size })
        .catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(ArrayError);
      const { message, details } = failed as ArrayError;
      const said = JSON.stringify([
        bench.control.info,
        await bench.control.health(),
        await bench.listAll(false),
        volume,
        { message, details },
        String(details.cause),
      ]);
      for (const secret of secrets) expect(said).not.toContain(secret);
    });

    test('fails with an ArrayError after it was closed, and closes twice', async () => {
      const { control } = bench;
      await bench.reattach();
      await control.close();
      expect(await outcome(control.listVolumes({ ownedOnly: true }))).not.toBe('done');
    });
  });
}
