/** `xen-api` makes, changes, moves and removes disks: what Xen Orchestra does with VDIs and SRs (reference 4.1). */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Xapi, XenRecord } from 'xen-api';
import { describeWith, program } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';
import {
  exported,
  firstDifference,
  importRaw,
  MIB,
  sized,
  sparse,
  unsized,
} from '../../support/xenapi/disk-content.ts';
import { OverheardLine } from '../../support/xenapi/overheard-line.ts';
import { createSr, createVdi, XenService } from '../../support/xenapi/xen-service.ts';

describeWith([program('qemu-img', 'qemu-utils')], 'xen-api and disks', () => {
  let service: XenService;
  let xapi: Xapi;
  let sr: string;
  beforeAll(async () => {
    service = await XenService.start();
    xapi = await service.connect();
    sr = await service.folderSr(xapi, 'disks');
  });
  afterAll(() => service?.remove());

  const newVdi = (virtual_size: number, rest: object = {}): Promise<string> =>
    createVdi(xapi, { SR: sr, virtual_size, ...rest });

  it('lives through snapshot, clone, copy, resize and destroy', async () => {
    const other = await service.folderSr(xapi, 'another');
    const content = sparse(6 * MIB);
    const vdi = await newVdi(content.length, {
      ...{ name_label: 'root disk', other_config: { owner: 'me' }, tags: ['gold'] },
    });
    await importRaw(xapi, vdi, content);

    const before = Date.now();
    const snapshot = await xapi.callAsync('VDI.snapshot', vdi);
    const clone = await xapi.callAsync('VDI.clone', snapshot);
    const copy = await xapi.callAsync('VDI.copy', vdi, other);
    const records = await Promise.all([snapshot, clone, copy].map((ref) => xapi.barrier(ref)));
    const [snapshotRecord, cloneRecord, copyRecord] = records;
    expect(snapshotRecord).toMatchObject({
      ...{ is_a_snapshot: true, snapshot_of: vdi, name_label: 'root disk', SR: sr },
      ...{ tags: ['gold'], other_config: { owner: 'me' }, virtual_size: content.length },
    });
    const taken = String(snapshotRecord?.['snapshot_time']);
    const at = Date.parse(taken.replace(/^(\d{4})(\d\d)(\d\d)T/, '$1-$2-$3T'));
    expect(at).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000);
    expect(at).toBeLessThanOrEqual(Date.now());
    expect(cloneRecord).toMatchObject({ is_a_snapshot: false, SR: sr, name_label: 'root disk' });
    expect(copyRecord).toMatchObject({ is_a_snapshot: false, SR: other, tags: ['gold'] });
    expect(xapi.getObject(vdi)['snapshots']).toEqual([snapshot]);

    const changed = sparse(content.length);
    await importRaw(xapi, vdi, changed);
    for (const ref of [snapshot, clone, copy]) {
      expect(firstDifference(await exported(xapi, ref, 'raw'), content)).toBe('none');
    }
    expect(firstDifference(await exported(xapi, vdi, 'raw'), changed)).toBe('none');

    await xapi.callAsync('VDI.resize', clone, 9 * MIB);
    const grown = await xapi.barrier(clone);
    expect(grown['virtual_size']).toBe(9 * MIB);
    expect(xapi.getObject(sr)['virtual_allocation']).toBe(2 * content.length + 9 * MIB);
    const zeroes = Buffer.alloc(3 * MIB);
    expect(
      firstDifference(await exported(xapi, clone, 'raw'), Buffer.concat([content, zeroes])),
    ).toBe('none');

    for (const ref of [copy, clone, snapshot, vdi]) await xapi.callAsync('VDI.destroy', ref);
    await xapi.barrier();
    expect(xapi.getObject(sr)['VDIs']).toEqual([]);
    expect(xapi.getObject(other)['VDIs']).toEqual([]);
    await expect(xapi.call('VDI.get_record', vdi)).rejects.toMatchObject({
      ...{ code: 'HANDLE_INVALID', params: ['VDI', vdi] },
    });
  });

  it.each(['raw', 'vhd', 'qcow2'] as const)('sends and fetches %s images', async (format) => {
    const content = sparse(8 * MIB);
    const folder = await service.folder();
    const [raw, image] = [join(folder, 'disk.raw'), join(folder, `image.${format}`)];
    await writeFile(raw, content);
    const qemu = { raw: 'raw', vhd: 'vpc', qcow2: 'qcow2' }[format];
    const options = format === 'vhd' ? ['-o', 'subformat=dynamic,force_size=on'] : [];
    await succeed('qemu-img', ['convert', '-O', qemu, ...options, raw, image]);
    const file = await readFile(image);

    const vdi = await newVdi(content.length);
    const query = { vdi, format };
    const result = await xapi.putResource(sized(file), '/import_raw_vdi/', { query });
    expect(result).toBe(vdi); // the task's result is the VDI
    expect(firstDifference(await exported(xapi, vdi, 'raw'), content)).toBe('none');

    const back = await exported(xapi, vdi, format);
    const fetched = join(folder, `fetched.${format}`);
    await writeFile(fetched, back);
    const given = ['-f', qemu, '-F', 'raw', fetched, raw];
    await succeed('qemu-img', ['compare', ...given]);
  });

  it('sends a stream of which it does not know the length, and what arrives is written', async () => {
    const content = sparse(4 * MIB);
    const vdi = await newVdi(content.length);
    const line = await OverheardLine.to(service.url);
    try {
      const client = await service.connect({ url: line.url });
      await client.putResource(unsized(content), '/import_raw_vdi/', {
        query: { vdi, format: 'raw' },
      });
      // xen-api announces a petabyte and cuts the connection when it thinks that all has left: some of the end may not have.
      const sent = line.bodyAfter('&task_id=');
      expect(sent.length).toBeGreaterThan(3 * MIB);
      expect(firstDifference(sent, content.subarray(0, sent.length))).toBe('none');
      const rest = Buffer.alloc(content.length - sent.length);
      const read = await exported(xapi, vdi, 'raw');
      expect(firstDifference(read, Buffer.concat([sent, rest]))).toBe('none');
      await client.disconnect();
    } finally {
      await line.close();
    }
  });

  it('follows a transfer by its task, and cancels it in the middle', async () => {
    const vdi = await newVdi(64 * MIB);
    const task = await xapi.createTask('a long import');
    const seen: { progress: number; status: string }[] = [];
    xapi.objects.on('update', (items: Record<string, XenRecord>) => {
      for (const { $ref, progress, status } of Object.values(items)) {
        if ($ref === task) seen.push({ progress, status });
      }
    });
    const stop = new AbortController();
    const body = Object.assign(Readable.from(slowly(stop.signal), { objectMode: false }), {
      length: 64 * MIB,
    });
    const query = { vdi, format: 'raw' };
    const sending = xapi.putResource(body, '/import_raw_vdi/', { query, task });
    const ended = sending.then(
      () => 'it went on',
      (error: unknown) => String(error),
    );
    const settled = xapi.watchTask(task).then(
      () => 'success',
      (error: unknown) => String(error),
    );
    await expect.poll(() => seen.some(({ progress }) => progress > 0)).toBe(true);
    expect(await xapi.getField('VDI', vdi, 'current_operations')).toEqual({ [task]: 'copy' });
    await xapi.call('task.cancel', task);
    expect(await settled).toMatch(/cancel/);
    stop.abort();
    expect(await ended).not.toBe('it went on');
    // Nothing holds on to the disk.
    await expect.poll(() => xapi.getField('VDI', vdi, 'current_operations')).toEqual({});
    await xapi.callAsync('VDI.destroy', vdi);
  });

  it('tells by the task why an import failed', async () => {
    const vdi = await newVdi(MIB);
    const query = { vdi, format: 'vhd' };
    const sending = xapi.putResource(sized(Buffer.alloc(4 * MIB, 'no VHD')), '/import_raw_vdi/', {
      query,
    });
    await expect(sending).rejects.toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/) });
    await xapi.callAsync('VDI.destroy', vdi);
  });

  it('makes an SR, unplugs, forgets and attaches it again with its disks', async () => {
    const location = await service.folder();
    const made = await createSr(xapi, { type: 'file', name: 'comes back', config: { location } });
    const vdi = await createVdi(xapi, { SR: made, virtual_size: MIB, name_label: 'kept' });
    const content = sparse(MIB);
    await importRaw(xapi, vdi, content);
    const [vdiUuid, srUuid] = [
      await xapi.getField('VDI', vdi, 'uuid'),
      await xapi.getField('SR', made, 'uuid'),
    ];
    const [pbd] = await xapi.getField('SR', made, 'PBDs');
    expect(await xapi.getField('PBD', pbd, 'device_config')).toMatchObject({ location });
    await expect(xapi.callAsync('SR.forget', made)).rejects.toMatchObject({ code: 'SR_HAS_PBD' });
    await xapi.callAsync('PBD.unplug', pbd);
    expect(await xapi.getField('PBD', pbd, 'currently_attached')).toBe(false);
    await xapi.callAsync('SR.forget', made);
    expect((await readdir(location)).length).toBeGreaterThan(0);

    const again = await xapi.call(
      'SR.introduce',
      srUuid,
      'came back',
      '',
      'file',
      'user',
      false,
      {},
    );
    const host = xapi.pool['master'];
    const fresh = await xapi.call('PBD.create', { host, SR: again, device_config: { location } });
    await xapi.callAsync('PBD.plug', fresh);
    await xapi.callAsync('SR.scan', again);
    const back = await xapi.call('VDI.get_by_uuid', vdiUuid);
    expect(await xapi.getField('VDI', back, 'SR')).toBe(again);
    expect(firstDifference(await exported(xapi, back, 'raw'), content)).toBe('none');
    await xapi.callAsync('VDI.destroy', back);
    await xapi.callAsync('PBD.unplug', fresh);
    await expect(xapi.callAsync('SR.destroy', again)).resolves.toBe('');
  });
});

/** 48 MiB, and then no more until it is told. */
async function* slowly(goOn: AbortSignal): AsyncGenerator<Buffer> {
  for (let mib = 0; mib < 48; mib += 1) yield Buffer.alloc(MIB, mib);
  if (!goOn.aborted) await new Promise((resolve) => goOn.addEventListener('abort', resolve));
  yield Buffer.alloc(MIB);
}
