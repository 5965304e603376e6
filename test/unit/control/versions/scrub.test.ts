import { beforeEach, expect, test } from 'vitest';
import { Scrub, showVersion } from '../../../../src/control/index.ts';
import { type FakeService, fakeService, withVdisk } from '../support/fake-service.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

let service: FakeService;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service, 'a');
  service.clock.advance(1);
  await withVdisk(service, 'b');
});

test('a layer that cannot be looked at is not called verified, and does not keep the others waiting', async () => {
  const { control, clock, images } = service;
  const verify = images.verify.bind(images);
  const looked: string[] = [];
  let isAway = true;
  images.verify = async (request, each) => {
    const [layerId] = request.layerIds;
    looked.push(layerId ?? '');
    if (layerId === 'layer-1' && isAway) throw new Error('the disk is away');
    await verify(request, each);
  };
  const errors: unknown[] = [];
  const scrub = new Scrub(control, { days: 7, bytesPerSecond: 1 });
  const round = async (): Promise<void> => {
    scrub.observe(clock.now(), (error) => errors.push(error));
    await scrub.settled();
  };
  clock.advance(8 * DAY_MS);
  for (let count = 0; count < 3; count++) await round();
  expect(looked).toEqual(['layer-1', 'layer-2']);
  expect(errors).toEqual([new Error('the disk is away')]);
  expect(showVersion(control, 'a', 1).verifiedAt).toBeNull();
  expect(showVersion(control, 'b', 1).verifiedAt).not.toBeNull();
  isAway = false;
  clock.advance(HOUR_MS);
  await round();
  expect(looked.at(-1)).toBe('layer-1');
  expect(showVersion(control, 'a', 1).verifiedAt).toBe(new Date(clock.now()).toISOString());
});
