/** Versions on the command line: what a slip of the hand must not do. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { beginVersion, sealVersion, showVersion } from '../../../src/control/index.ts';
import { type FakeService, fakeService, withVdisk } from '../control/support/fake-service.ts';
import { type ServedCli, servedCli } from './served-cli.ts';

let service: FakeService;
let cli: ServedCli;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  cli = await servedCli(service.control);
});
afterEach(() => cli.close());

const run = (line: string) => cli.run(line);

/** As if a machine had booted what is in maintenance. */
function seen(): void {
  for (const { id, baseLayerId: layerId } of service.control.catalog.versions.inMaintenance()) {
    service.dataPlane.overlays.set(id, { layerId, usedBytes: 0, isOpen: false });
  }
}

describe('version promote --at', () => {
  test.each(['5', 'tomorrow', '01/02', '2127-01-31', '2127-01-31T06:00', '2127-02-30T06:00Z', ''])(
    'does not take %j for a time',
    async (at) => {
      const { code, err } = await run(`version promote debian 1 --at ${at}`);
      expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(/time with its zone/) });
    },
  );

  test('takes a time of any zone', async () => {
    await run('version demote debian 1');
    const { code, out } = await run('version promote debian 1 --at 2127-01-31T07:00+01:00');
    expect({ code, out }).toEqual({
      code: 0,
      out: 'version 1 of debian is released at 2127-01-31 06:00:00Z\n',
    });
  });

  test('seals nothing, since the date would be forgotten', async () => {
    beginVersion(service.control, 'debian', {});
    seen();
    const { code, err } = await run('version promote debian 2 --at 2127-01-31T07:00:00Z');
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringMatching(/maintenance; seal it first/),
    });
    expect(showVersion(service.control, 'debian', 2).state).toBe('maintenance');
  });
});

test('promote and demote say what machines boot then', async () => {
  const make = async (): Promise<void> => {
    const { number } = beginVersion(service.control, 'debian', {});
    seen();
    await service.control.tasks.settled(sealVersion(service.control, 'debian', number).id);
  };
  await make();
  await make();
  const ends = async (line: string, end: string): Promise<void> =>
    expect(await run(line)).toEqual({ code: 0, err: '', out: `${end}\n` });
  await ends(
    'version promote debian 3',
    'version 3 of debian is in production: machines boot it from now on',
  );
  await ends(
    'version promote debian 2',
    'version 2 of debian is in production: machines boot version 3, which is newer (vdisk revert goes back)',
  );
  await run('vdisk pin debian 1');
  await ends(
    'version demote debian 3',
    'version 3 of debian is in test again: machines boot version 1',
  );
  await ends(
    'version promote debian 3',
    'version 3 of debian is in production: machines boot version 1, which the vDisk is pinned to',
  );
  await run('vdisk unpin debian');
  for (const number of [3, 2]) await run(`version demote debian ${number}`);
  await ends(
    'version demote debian 1',
    'version 1 of debian is in test again: machines have no version to boot',
  );
});

describe('vdisk verify', () => {
  const damage = {
    chunk: 3,
    offset: 196_608,
    length: 65_536,
    heldBy: ['layer-1'],
    reason: 'chunk 3: no',
  };
  beforeEach(() => {
    service.images.verify = async (_request, each) => {
      const damaged = [{ ...damage, layerId: 'layer-1' }];
      each({ layerId: 'layer-1', chunks: 9, bytes: 65_536, damaged, damagedChunks: 1 });
    };
  });

  test('fails when something is damaged, also as JSON', async () => {
    const failed = { code: 1, err: expect.stringMatching(/1 chunks are damaged\n {2}chunk 3: no/) };
    expect(await run('vdisk verify debian')).toEqual({ ...failed, out: '' });
    const { out, ...ended } = await run('vdisk verify debian --json');
    expect(ended).toEqual(failed);
    expect(JSON.parse(out)).toMatchObject({ damagedChunks: 1, damaged: [damage] });
  });

  test('is not waited for when that is not wanted', async () => {
    expect(await run('vdisk verify debian --no-wait')).toMatchObject({ code: 0 });
  });
});
