import { afterEach, describe, expect, test } from 'vitest';
import { PLAIN } from '../../../../src/block/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { parseDiskExport } from '../../../../src/service/xen/nbd-name.ts';
import { MemoryArray } from '../../../support/memory-array.ts';
import { VolumeRig } from '../../../support/volume-rig.ts';

const SIZE = 256 * 1024;
const SESSION = 'OpaqueRef:8a7c7c0e-5b1c-4d8f-9a55-2f9b8f3d1c11';
const rigs: VolumeRig[] = [];

async function rig(isNative = false): Promise<VolumeRig> {
  const it = await VolumeRig.open({ arrays: { one: new MemoryArray({ isNative }) } });
  rigs.push(it);
  await it.createVolume('one', 'v', SIZE);
  it.resolver = ({ uuid, session }) => {
    if (session !== SESSION) {
      throw new Fault('PERMISSION_DENIED', `session ${session} is not there`, { value: session });
    }
    if (uuid === 'uuid-v') return { disk: it.volume('v') };
    return it.catalog.snapshots.byId(uuid) && { disk: it.snapshotName(uuid) };
  };
  return it;
}

afterEach(async () => {
  for (const one of rigs.splice(0)) {
    expect(one.troubles).toEqual([]);
    await one.close();
  }
});

const named = (uuid: string, session = SESSION): string => `/${uuid}?session_id=${session}`;

describe('names of disks', () => {
  test.each([
    [`/abc?session_id=${SESSION}`, 'abc', SESSION],
    [`/abc?session_id=${encodeURIComponent(SESSION)}`, 'abc', SESSION],
    [`/abc?a=b&session_id=${SESSION}&session_id=other#more`, 'abc', SESSION],
    ['/a%62c?session%5Fid=x%20y', 'abc', 'x y'],
    ['/abc?session_id=a+b', 'abc', 'a b'],
    ['/abc?session_id=%zz', 'abc', '%zz'],
    ['/abc?session_id', 'abc', ''],
    ['/abc?', 'abc', undefined],
    ['/abc', 'abc', undefined],
    ['/', '', undefined],
  ])('%s', (name, uuid, session) => {
    expect(parseDiskExport(name)).toMatchObject({ uuid, session });
  });

  test('show nothing but a UUID', () => {
    expect(parseDiskExport(named('abc-1')).shown).toBe('/abc-1');
    expect(parseDiskExport(`/${SESSION}`).shown).toBe('/…');
    expect(parseDiskExport(`/abc%3Fsession_id=${SESSION}`).shown).toBe('/…');
    expect(parseDiskExport(`/${'a'.repeat(4096)}`).shown).toBe('/…');
  });
});

describe.each([false, true])('NBD exports of sessions (native snapshots: %s)', (isNative) => {
  test('a volume is read as it is, while another client writes it', async () => {
    const it = await rig(isNative);
    const reader = await it.connect(named('uuid-v'), 0);
    expect(reader).toMatchObject({ name: '/uuid-v', readOnly: true });
    expect(reader.device.capabilities.write).toBe(false);
    for (const worker of [0, 1]) {
      const writer = await it.connect('volume/one/v', worker);
      expect(writer.readOnly).toBe(false);
      for (const byte of [5, 6]) {
        await writer.device.write(Buffer.alloc(4096, byte + worker), 0, PLAIN);
        const read = Buffer.alloc(4096);
        await reader.device.read(read, 0);
        expect(read[0]).toBe(byte + worker);
        await it.snapshot({ v: `s${worker}-${byte}` });
      }
      await writer.close();
    }
    await reader.close();
  });

  test('a snapshot is read as it was taken', async () => {
    const it = await rig(isNative);
    await it.withExport('volume/one/v', (device) =>
      Promise.resolve(device.write(Buffer.alloc(4096, 1), 0, PLAIN)),
    );
    await it.snapshot({ v: 's1' });
    const reader = await it.connect(named('s1'));
    await it.withExport('volume/one/v', (device) =>
      Promise.resolve(device.write(Buffer.alloc(4096, 2), 0, PLAIN)),
    );
    const read = Buffer.alloc(4096);
    await reader.device.read(read, 0);
    expect([read[0], reader.readOnly]).toEqual([1, true]);
    await reader.close();
  });

  test('they count as uses, and end by the name that is shown', async () => {
    const it = await rig(isNative);
    const reader = await it.connect(named('uuid-v'));
    expect(it.disks.users(it.volume('v'))).toEqual(['connections to /uuid-v']);
    await expect(it.deleteVolume('v')).rejects.toMatchObject({ code: 'IN_USE' });
    await expect(it.disks.open(it.volume('v'), { write: true })).rejects.toMatchObject({
      code: 'IN_USE',
    });
    const copied = await it.disks.open(it.volume('v'), { write: false });
    await copied.close();
    await it.storage.storage.detach('one', { force: true });
    expect(it.ended).toEqual(['/uuid-v']);
    await reader.close();
  });

  test('a session is asked for, and is told to nobody', async () => {
    const it = await rig(isNative);
    await it.snapshot({ v: 's1' });
    const refusals: unknown[] = [];
    for (const name of [
      named('uuid-v', 'OpaqueRef:wrong'),
      '/uuid-v',
      named('nothing'),
      `/${SESSION}`,
      `/${SESSION}?session_id=${SESSION}`,
    ]) {
      refusals.push(await it.connect(name).catch((error: unknown) => error));
    }
    it.resolver = () => {
      throw new Error(`a bug that says ${SESSION}`);
    };
    refusals.push(await it.connect(named('uuid-v')).catch((error: unknown) => error));
    it.resolver = undefined;
    refusals.push(await it.connect(named('uuid-v')).catch((error: unknown) => error));
    expect(refusals.map((error) => (error as Fault).code)).toEqual([
      ...['PERMISSION_DENIED', 'PERMISSION_DENIED', 'EXPORT_NOT_FOUND', 'PERMISSION_DENIED'],
      ...['EXPORT_NOT_FOUND', 'INTERNAL', 'EXPORT_NOT_FOUND'],
    ]);
    for (const error of refusals as Fault[]) {
      const told = `${error.message} ${JSON.stringify(error.details)} ${error.stack} ${error.cause}`;
      expect(told).not.toContain('8a7c7c0e');
      expect(told).not.toContain('OpaqueRef:wrong');
    }
  });

  test('a session that ends leaves its connections', async () => {
    const it = await rig(isNative);
    const reader = await it.connect(named('uuid-v'));
    it.resolver = () => {
      throw new Fault('PERMISSION_DENIED', 'it has ended');
    };
    await reader.device.read(Buffer.alloc(512), 0);
    await expect(it.connect(named('uuid-v'))).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await reader.close();
  });
});
