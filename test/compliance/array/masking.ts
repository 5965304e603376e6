import { describe, expect, test } from 'vitest';
import type {
  ArrayMapping,
  HostIdentity,
  MaskingControl,
} from '../../../src/repositories/index.ts';
import { type ArrayBench, opId, outcome, present } from './bench.ts';

const OTHER: HostIdentity = {
  name: 'other-host',
  iqns: ['iqn.2026-01.dev.rootcast:other-host'],
  addresses: ['127.0.0.9'],
};

export function testMasking(bench: ArrayBench): void {
  const masking = (): MaskingControl => present(bench.control.masking, 'masking');
  const masks = (): boolean => bench.control.masking !== undefined;
  const host = (): HostIdentity => bench.subject.host ?? OTHER;

  describe('mapping to hosts', () => {
    test('again is the same; another mode is refused', async () => {
      if (!masks()) return;
      const { ref } = await bench.create();
      expect(await masking().listMappings({ volume: ref })).toEqual([]);
      const request = { opId: opId(), volume: ref, host: host(), mode: 'rw' as const };
      const mapping = await masking().map(request);
      expect(mapping).toMatchObject({ mode: 'rw', host: host().name });
      expect(mapping.volume.nativeId).toBe(ref.nativeId);
      const { portals, iqn, path } = mapping.target;
      expect(portals.length > 0 || path !== undefined).toBe(true);
      if (bench.can('maskIqn')) expect(iqn).toMatch(/^(iqn|eui|naa)\./);
      const again = await Promise.all([
        masking().map(request),
        masking().map({ ...request, opId: opId() }),
      ]);
      for (const each of again) expect(each.ref).toEqual(mapping.ref);
      const other = masking().map({ ...request, opId: opId(), mode: 'ro' });
      expect(await outcome(other)).toBe('ALREADY_EXISTS_DIFFERENT');
      expect(await masking().listMappings({ volume: ref })).toEqual([mapping]);
      expect(await masking().listMappings({})).toContainEqual(mapping);
    });

    test('ends for one host or for all, and again', async () => {
      if (!masks()) return;
      const { ref } = await bench.create();
      const map = (to: HostIdentity): Promise<ArrayMapping> =>
        masking().map({ opId: opId(), volume: ref, host: to, mode: 'rw' });
      await map(host());
      const unmap = { opId: opId(), volume: ref, host: host().name };
      await masking().unmap(unmap);
      await masking().unmap(unmap);
      expect(await masking().listMappings({ volume: ref })).toEqual([]);
      await map(host());
      if (bench.can('multiAttach')) {
        await map({ ...OTHER, name: 'third-host', iqns: [`${OTHER.iqns[0]}-3`] });
        expect(await masking().listMappings({ volume: ref })).toHaveLength(2);
      }
      await masking().unmap({ opId: opId(), volume: ref });
      expect(await masking().listMappings({ volume: ref })).toEqual([]);
      await masking().unmap({ opId: opId(), volume: ref });
    });

    test('to a second host is refused where only one may have it', async () => {
      if (!masks() || bench.can('multiAttach')) return;
      const { ref } = await bench.create();
      await masking().map({ opId: opId(), volume: ref, host: host(), mode: 'rw' });
      const third = { ...OTHER, name: 'third-host', iqns: [`${OTHER.iqns[0]}-3`] };
      const second = masking().map({ opId: opId(), volume: ref, host: third, mode: 'rw' });
      expect(await outcome(second)).toBe('EXCLUSIVE_ATTACHED');
      expect(await masking().listMappings({ volume: ref })).toHaveLength(1);
    });

    test('of what is not there is refused; a mapped volume is not deleted', async () => {
      if (!masks()) return;
      const volume = await bench.create();
      const map = () =>
        masking().map({ opId: opId(), volume: volume.ref, host: host(), mode: 'rw' });
      await map();
      expect(await outcome(bench.delete(volume))).toBe('IN_USE');
      expect(await bench.again(volume)).toMatchObject({ ref: volume.ref, size: volume.size });
      await masking().unmap({ opId: opId(), volume: volume.ref });
      await bench.delete(volume);
      expect(await outcome(map())).toBe('NOT_FOUND');
      await masking().unmap({ opId: opId(), volume: volume.ref });
    });

    test('does not end under a live session, unless by force', async () => {
      const { host: self } = bench.subject;
      if (!masks() || self === undefined || !bench.can('sessionInfo')) return;
      const { volume, content } = await bench.createFilled(1);
      const { detach } = await bench.open(volume, true);
      const [mapping] = await masking().listMappings({ volume: volume.ref });
      expect(mapping?.sessions.length).toBeGreaterThan(0);
      const request = { opId: opId(), volume: volume.ref, host: self.name };
      expect(await outcome(masking().unmap(request))).toBe('IN_USE');
      expect(await masking().listMappings({ volume: volume.ref })).toHaveLength(1);
      if (bench.can('terminateSessions')) {
        await masking().unmap({ ...request, force: true });
        expect(await masking().listMappings({ volume: volume.ref })).toEqual([]);
      }
      await detach();
      await bench.expectContent(volume, content, 'after the session');
    });

    test('is there after the service was started again', async () => {
      if (!masks()) return;
      const { ref } = await bench.create();
      const mapping = await masking().map({ opId: opId(), volume: ref, host: host(), mode: 'rw' });
      await bench.reattach();
      expect(await masking().listMappings({ volume: ref })).toEqual([mapping]);
    });

    test('a host that is fenced cannot go on, and can when it is let in again', async () => {
      const { host: self } = bench.subject;
      if (!bench.can('fence') || self === undefined) return;
      const { volume, content } = await bench.createFilled(1);
      const fence = present(masking().fence?.bind(masking()), 'fence');
      const unfence = present(masking().unfence?.bind(masking()), 'unfence');
      const { device, detach } = await bench.open(volume, true);
      const fenced = present(masking().fenced?.bind(masking()), 'fenced');
      const before = await fenced();
      await fence({ opId: opId(), host: self });
      await fence({ opId: opId(), host: self });
      const listed = await fenced();
      // A client of this server alone is no host that is cut off (ceph).
      const own = listed.filter((who) => !before.includes(who));
      expect([...self.iqns, ...self.addresses]).toEqual(expect.arrayContaining(own));
      const write = async (): Promise<void> => {
        await device.write(Buffer.alloc(device.geometry.minimumIo, 9), 0, { fua: true });
      };
      await expect(write()).rejects.toMatchObject({ name: 'BlockError' });
      await unfence({ opId: opId(), host: self });
      await unfence({ opId: opId(), host: self });
      expect(await fenced()).toEqual(before);
      const nobody = { name: 'nobody', iqns: [], addresses: [] };
      expect(await outcome(fence({ opId: opId(), host: nobody }))).toBe('INVALID_ARGUMENT');
      await detach();
      await bench.expectContent(volume, content, 'what the fenced host could not change');
    });
  });
}
