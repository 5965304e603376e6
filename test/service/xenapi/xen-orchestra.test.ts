/**
 * `@xen-orchestra/xapi`, with which Xen Orchestra makes its backups, as it is: from a folder in whose node_modules it is,
 * since neither its licence nor the registry lets it be a dependency (test/interop/xenapi/clients/README.md).
 *
 *     ROOTCAST_XEN_ORCHESTRA=FOLDER npm test -- test/service/xenapi/xen-orchestra.test.ts
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Xapi } from 'xen-api';
import { describeWith } from '../../support/requires.ts';
import {
  BLOCK,
  firstDifference,
  MIB,
  scribble,
  sized,
  sparse,
  writeParts,
} from '../../support/xenapi/disk-content.ts';
import { XenService } from '../../support/xenapi/xen-service.ts';

const FOLDER = process.env['ROOTCAST_XEN_ORCHESTRA'];
const SIZE = 24 * MIB;

/** What of its class is used here. */
interface XoXapi extends Xapi {
  SR_create(sr: object): Promise<string>;
  SR_importVdi(sr: string, image: object, options: object): Promise<string>;
  SR_enableMaintenanceMode(sr: string): Promise<void>;
  SR_disableMaintenanceMode(sr: string): Promise<void>;
  VDI_create(vdi: object): Promise<string>;
  VDI_destroy(vdi: string): Promise<void>;
  VDI_dataDestroy(vdi: string): Promise<void>;
  VDI_disableCbtOnChain(vdi: string): Promise<void>;
  VDI_exportContent(vdi: string, options: object): Promise<AsyncIterable<Buffer>>;
  VDI_importContent(vdi: string, image: object, options: object): Promise<void>;
}

/** What a backup reads. */
interface Source {
  init(): Promise<void>;
  diskBlocks(): AsyncIterable<{ readonly index: number; readonly data: Buffer }>;
  isDifferencing(): boolean;
  useNbd(): boolean;
  useCbt(): boolean;
  close(): Promise<void>;
}

const WHERE = { missing: FOLDER === undefined ? 'ROOTCAST_XEN_ORCHESTRA' : undefined };

describeWith([WHERE], 'Xen Orchestra', () => {
  let service: XenService;
  let xapi: XoXapi;
  let sr: string;
  let makeSource: (options: object) => Source;

  beforeAll(async () => {
    service = await XenService.start();
    const folder = pathToFileURL(join(FOLDER ?? '', 'package.json'));
    const load = (path: string) => import(createRequire(folder).resolve(path));
    const { Xapi: XoClass } = await load('@xen-orchestra/xapi');
    const { XapiDiskSource } = await load('@xen-orchestra/xapi/disks/Xapi.mjs');
    makeSource = (options) => new XapiDiskSource({ xapi, ...options });
    xapi = new XoClass({
      ...{ url: service.url, auth: service.credentials, debounce: 20, preferNbd: true },
      vdiDestroyRetryWhenInUse: { retries: 2, delay: 200 },
    });
    await xapi.connect();
    await xapi.objectsFetched;
    sr = await xapi.SR_create({
      ...{ host: xapi.pool['master'], name_label: 'xo', shared: false, type: 'file' },
      device_config: { location: await service.folder() },
    });
  });
  afterAll(async () => {
    await xapi?.disconnect();
    await service?.remove();
  });

  const newVdi = (name_label: string): Promise<string> =>
    xapi.VDI_create({ name_label, SR: sr, virtual_size: SIZE });

  const snapshot = (vdi: string): Promise<string> => xapi.callAsync('VDI.snapshot', vdi);

  async function exportOf(vdi: string, format: string): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of await xapi.VDI_exportContent(vdi, { format })) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** @returns how it went, and `before` with what it read written over it */
  async function backup(before: Buffer, options: object) {
    const source = makeSource(options);
    await source.init();
    const after = Buffer.from(before);
    for await (const { index, data } of source.diskBlocks()) data.copy(after, index * BLOCK);
    const how = [source.useNbd(), source.useCbt(), source.isDifferencing()];
    await source.close();
    return { how, after };
  }

  async function write(vdi: string, content: Buffer): Promise<Buffer> {
    const after = Buffer.from(content);
    for (let time = 0; time < 3; time += 1) {
      const { offset, length } = scribble(after);
      await writeParts(xapi, vdi, [{ offset, data: after.subarray(offset, offset + length) }]);
    }
    return after;
  }

  it('backs up by NBD, by changed blocks and by streams, and has the disk again', async () => {
    const first = sparse(SIZE);
    const vdi = await newVdi('a machine');
    await xapi.VDI_importContent(vdi, sized(first), { format: 'raw' });
    await xapi.callAsync('VDI.enable_cbt', vdi);
    const monday = await snapshot(vdi);
    const full = await backup(Buffer.alloc(SIZE), { vdiRef: monday, preferNbd: true });
    expect(full.how).toEqual([true, false, false]);
    expect(firstDifference(full.after, first)).toBe('none');

    const second = await write(vdi, first);
    const tuesday = await snapshot(vdi);
    await xapi.VDI_dataDestroy(monday);
    const delta = { vdiRef: tuesday, baseRef: monday, preferNbd: true };
    const increment = await backup(full.after, delta);
    expect(increment.how).toEqual([true, true, true]);
    expect(firstDifference(increment.after, second)).toBe('none');

    const third = await write(vdi, second);
    const wednesday = await snapshot(vdi);
    const stream = { vdiRef: wednesday, baseRef: tuesday, preferNbd: false };
    const streamed = await backup(increment.after, stream);
    expect(streamed.how).toEqual([false, false, true]);
    expect(firstDifference(streamed.after, third)).toBe('none');

    for (const format of ['raw', 'vhd', 'qcow2']) {
      const image = await exportOf(wednesday, format);
      const back = await newVdi('restored');
      await xapi.VDI_importContent(back, sized(image), { format });
      expect(firstDifference(await exportOf(back, 'raw'), third)).toBe('none');
      await xapi.VDI_destroy(back);
    }
    const vhd = sized(await exportOf(wednesday, 'vhd'));
    const made = await xapi.SR_importVdi(sr, vhd, { format: 'vhd', name_label: 'by its SR' });
    expect(firstDifference(await exportOf(made, 'raw'), third)).toBe('none');

    // With it goes what is left of the snapshots whose data was destroyed.
    await xapi.VDI_disableCbtOnChain(vdi);
    for (const one of [made, wednesday, tuesday, vdi]) await xapi.VDI_destroy(one);
    expect((await xapi.barrier(sr))['VDIs']).toEqual([]);
  });

  it('takes an SR into maintenance, and back', async () => {
    const [pbd] = await xapi.getField('SR', sr, 'PBDs');
    await xapi.SR_enableMaintenanceMode(sr);
    expect(await xapi.getField('PBD', pbd, 'currently_attached')).toBe(false);
    await xapi.SR_disableMaintenanceMode(sr);
    expect(await xapi.getField('PBD', pbd, 'currently_attached')).toBe(true);
  });
});
