/**
 * Backups as Xen Orchestra makes them (reference 4.1, "backup logic"), by its own client and NBD client: a full one, then
 * incremental ones by changed blocks and NBD, and a disk made of them again. What is between the two libraries
 * (XapiVhdCbt.mjs, Xapi.mjs) is under a licence that this project does not take; it is restated here.
 */
import NbdClient, { type NbdInfo } from '@vates/nbd-client';
import MultiNbdClient from '@vates/nbd-client/multi.mjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Xapi } from 'xen-api';
import {
  BLOCK,
  CBT_BLOCK,
  exported,
  firstDifference,
  importRaw,
  MIB,
  readBlocks,
  scribble,
  sized,
  sparse,
  writeParts,
} from '../../support/xenapi/disk-content.ts';
import { createVdi, XenService } from '../../support/xenapi/xen-service.ts';

const SIZE = 24 * MIB;

/** Reads one snapshot by as many connections as Xen Orchestra opens. */
async function withNbd<T>(
  xapi: Xapi,
  vdi: string,
  use: (client: MultiNbdClient) => Promise<T>,
): Promise<T> {
  const infos: readonly NbdInfo[] = await xapi.call('VDI.get_nbd_info', vdi);
  expect(infos.length).toBeGreaterThan(0);
  const client = new MultiNbdClient(infos, { nbdConcurrency: 2 });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.disconnect();
  }
}

function wholeByNbd(xapi: Xapi, vdi: string): Promise<Buffer> {
  return withNbd(xapi, vdi, readBlocks);
}

/** Numbers of the 2 MiB blocks that changed: the bitmap read as 32-bit words, one a block. */
async function changedBlocks(xapi: Xapi, from: string, to: string): Promise<number[]> {
  const encoded = await xapi.callAsync('VDI.list_changed_blocks', from, to);
  const bitmap = Buffer.from(encoded, 'base64');
  expect(bitmap.length % 4).toBe(0);
  const words = Array.from({ length: bitmap.length / 4 }, (_, index) => index);
  return words.filter((index) => bitmap.readUInt32BE(index * 4) !== 0);
}

/** Of the footer that a VHD begins with. */
const diskType = (vhd: Buffer): number => vhd.readUInt32BE(60);

/** @returns number of the block → its content */
async function incremental(xapi: Xapi, base: string, vdi: string): Promise<Map<number, Buffer>> {
  const changed = await changedBlocks(xapi, base, vdi);
  return withNbd(xapi, vdi, async (client) => {
    const blocks = new Map<number, Buffer>();
    for (const index of changed) blocks.set(index, await client.readBlock(index, BLOCK));
    return blocks;
  });
}

async function restored(
  xapi: Xapi,
  sr: string,
  full: Buffer,
  increments: readonly ReadonlyMap<number, Buffer>[],
): Promise<string> {
  const vdi = await createVdi(xapi, { SR: sr, virtual_size: full.length, name_label: 'restored' });
  await importRaw(xapi, vdi, full);
  for (const blocks of increments) {
    const parts = [...blocks].map(([index, data]) => ({ offset: index * BLOCK, data }));
    await writeParts(xapi, vdi, parts);
  }
  return vdi;
}

describe('a backup by changed blocks and NBD', () => {
  let service: XenService;
  let xapi: Xapi;
  let sr: string;
  beforeAll(async () => {
    service = await XenService.start();
    xapi = await service.connect();
    sr = await service.folderSr(xapi, 'disks');
  });
  afterAll(() => service?.remove());

  /** Writes somewhere, as a machine would. @returns the content after that */
  async function write(vdi: string, content: Buffer, times: number): Promise<Buffer> {
    const after = Buffer.from(content);
    for (let time = 0; time < times; time += 1) {
      const { offset, length } = scribble(after);
      await writeParts(xapi, vdi, [{ offset, data: after.subarray(offset, offset + length) }]);
    }
    return after;
  }

  it('is the disk again, also after the data of the first snapshot is destroyed', async () => {
    const first = sparse(SIZE);
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: SIZE, name_label: 'a machine' });
    await importRaw(xapi, vdi, first);
    await xapi.callAsync('VDI.enable_cbt', vdi);
    expect(await xapi.getField('VDI', vdi, 'cbt_enabled')).toBe(true);

    const monday = await xapi.callAsync('VDI.snapshot', vdi);
    expect(await xapi.getField('VDI', monday, 'cbt_enabled')).toBe(true);
    const full = await wholeByNbd(xapi, monday);
    expect(firstDifference(full, first)).toBe('none');

    const second = await write(vdi, first, 3);
    const tuesday = await xapi.callAsync('VDI.snapshot', vdi);
    // Xen Orchestra lets the data of the older snapshot go ("purge snapshot data"): what changed is still known.
    await xapi.callAsync('VDI.data_destroy', monday);
    expect(await xapi.getField('VDI', monday, 'type')).toBe('cbt_metadata');
    const third = await write(vdi, second, 2); // meanwhile it runs on
    const increment = await incremental(xapi, monday, tuesday);
    expect(increment.size).toBeLessThan(SIZE / BLOCK);

    const wednesday = await xapi.callAsync('VDI.snapshot', vdi);
    await xapi.callAsync('VDI.data_destroy', tuesday);
    const last = await incremental(xapi, tuesday, wednesday);
    await xapi.callAsync('VDI.destroy', monday);

    for (const [increments, content] of [
      [[], first],
      [[increment], second],
      [[increment, last], third],
    ] as const) {
      const back = await restored(xapi, sr, full, increments);
      expect(firstDifference(await exported(xapi, back, 'raw'), content)).toBe('none');
      await xapi.callAsync('VDI.destroy', back);
    }
    for (const ref of [tuesday, wednesday, vdi]) await xapi.callAsync('VDI.destroy', ref);
  });

  it('knows of every block that differs, and says so also over several snapshots', async () => {
    const before = sparse(SIZE);
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: SIZE });
    await importRaw(xapi, vdi, before);
    await xapi.callAsync('VDI.enable_cbt', vdi);
    const snapshots = [await xapi.callAsync('VDI.snapshot', vdi)];
    const contents = [before];
    for (let round = 0; round < 3; round += 1) {
      contents.push(await write(vdi, contents.at(-1) ?? before, 2));
      snapshots.push(await xapi.callAsync('VDI.snapshot', vdi));
    }
    for (let from = 0; from < snapshots.length; from += 1) {
      for (let to = from + 1; to < snapshots.length; to += 1) {
        const encoded = await xapi.callAsync(
          'VDI.list_changed_blocks',
          snapshots[from],
          snapshots[to],
        );
        const bitmap = Buffer.from(encoded, 'base64');
        const [old, now] = [contents[from], contents[to]];
        if (old === undefined || now === undefined) throw new Error('no content');
        for (let block = 0; block * CBT_BLOCK < SIZE; block += 1) {
          const range = [block * CBT_BLOCK, (block + 1) * CBT_BLOCK] as const;
          const differs = !old.subarray(...range).equals(now.subarray(...range));
          const bit = ((bitmap[block >> 3] ?? 0) >> (7 - (block & 7))) & 1;
          if (differs) expect(bit, `block ${block}, ${from} to ${to}`).toBe(1);
        }
        // It says no more than a few blocks beside those: nothing else was written.
        const set = bitmap.reduce(
          (sum, byte) => sum + (byte.toString(2).match(/1/g)?.length ?? 0),
          0,
        );
        expect(set).toBeLessThanOrEqual(3 * 2 * (Math.ceil((300 * 512) / CBT_BLOCK) + 1));
      }
    }
    const [oldest, newest] = [snapshots[0], snapshots.at(-1)];
    await expect(xapi.callAsync('VDI.list_changed_blocks', oldest, oldest)).rejects.toMatchObject({
      code: 'SR_BACKEND_FAILURE_460',
    });
    await xapi.callAsync('VDI.disable_cbt', vdi);
    await expect(xapi.callAsync('VDI.list_changed_blocks', newest, vdi)).rejects.toMatchObject({
      code: 'SR_BACKEND_FAILURE_460',
    });
    for (const ref of [...snapshots, vdi]) await xapi.callAsync('VDI.destroy', ref);
  });

  it.each(['vhd', 'qcow2'])('is the disk again by a %s stream with a base', async (format) => {
    const before = sparse(8 * MIB);
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: before.length });
    await importRaw(xapi, vdi, before);
    const monday = await xapi.callAsync('VDI.snapshot', vdi);
    const after = await write(vdi, before, 3);
    const tuesday = await xapi.callAsync('VDI.snapshot', vdi);
    const full = await exported(xapi, monday, format);
    const delta = await exported(xapi, tuesday, format, monday);
    if (format === 'vhd') expect([full, delta].map(diskType)).toEqual([3, 4]); // dynamic, differencing

    const back = await createVdi(xapi, { SR: sr, virtual_size: before.length });
    for (const image of [full, delta]) {
      await xapi.putResource(sized(image), '/import_raw_vdi/', { query: { vdi: back, format } });
    }
    expect(firstDifference(await exported(xapi, back, 'raw'), after)).toBe('none');
    for (const ref of [back, tuesday, monday, vdi]) await xapi.callAsync('VDI.destroy', ref);
  });

  it('reads by NBD only with a session that is one, and nothing that is no snapshot data', async () => {
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: MIB });
    await importRaw(xapi, vdi, sparse(MIB));
    await xapi.callAsync('VDI.enable_cbt', vdi);
    const snapshot = await xapi.callAsync('VDI.snapshot', vdi);
    const [info, ...others]: readonly NbdInfo[] = await xapi.call('VDI.get_nbd_info', snapshot);
    if (info === undefined) throw new Error('no NBD');
    expect(others).toEqual([]);
    const uuid = await xapi.getField('VDI', snapshot, 'uuid');
    expect(info.address).toBe('127.0.0.1'); // where it listens, and nowhere else
    expect(info.exportname).toBe(`/${uuid}?session_id=${xapi.sessionId}`);
    for (const exportname of [
      `/${uuid}?session_id=OpaqueRef:00000000-0000-0000-0000-000000000000`,
      `/${uuid}`,
      `/00000000-0000-0000-0000-000000000000?session_id=${xapi.sessionId}`,
    ]) {
      const stranger = new NbdClient({ ...info, exportname });
      await expect(stranger.connect()).rejects.toThrow();
    }
    await xapi.callAsync('VDI.data_destroy', snapshot);
    await expect(xapi.call('VDI.get_nbd_info', snapshot)).rejects.toMatchObject({
      ...{ code: 'VDI_INCOMPATIBLE_TYPE', params: [snapshot, 'cbt_metadata'] },
    });
    const late = new NbdClient(info, { readBlockRetries: 1 });
    await expect(late.connect()).rejects.toThrow();
    for (const ref of [snapshot, vdi]) await xapi.callAsync('VDI.destroy', ref);
  });

  it('does not destroy a snapshot that is being read by NBD', async () => {
    const content = sparse(4 * MIB);
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: content.length });
    await importRaw(xapi, vdi, content);
    const snapshot = await xapi.callAsync('VDI.snapshot', vdi);
    await withNbd(xapi, snapshot, async (client) => {
      await expect(xapi.callAsync('VDI.destroy', snapshot)).rejects.toMatchObject({
        code: expect.stringMatching(/^(VDI_IN_USE|OTHER_OPERATION_IN_PROGRESS)$/),
      });
      expect(firstDifference(await client.readBlock(1, BLOCK), content.subarray(BLOCK))).toBe(
        'none',
      );
    });
    await expect
      .poll(() =>
        xapi.callAsync('VDI.destroy', snapshot).then(
          () => 'gone',
          () => 'in use',
        ),
      )
      .toBe('gone');
    await xapi.callAsync('VDI.destroy', vdi);
  });
});
