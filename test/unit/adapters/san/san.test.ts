/** Disks are found, named and refused, in a /sys of our own. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listBlockNodes } from '../../../../src/adapters/san/block-nodes.ts';
import { findNode, refuseUsed } from '../../../../src/adapters/san/find-node.ts';
import { SanAdapter } from '../../../../src/adapters/san/index.ts';
import { canonicalWwid, wwidOfPage } from '../../../../src/adapters/san/vpd-page.ts';
import { codeOf, SILENT } from '../../../support/carved.ts';
import { SEED } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const NAA = '600140512345678900abcdef00112233';

/** A designator: code set, association and kind, reserved, length, name. */
function designator(kind: number, name: Buffer, association = 0): Buffer {
  return Buffer.concat([Buffer.from([1, (association << 4) | kind, 0, name.length]), name]);
}

function page(...designators: Buffer[]): Buffer {
  const body = Buffer.concat(designators);
  const head = Buffer.from([0, 0x83, 0, 0]);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

describe('the identification page of a disk', () => {
  const t10 = designator(1, Buffer.from('LIO-ORG disk0:1234'));
  const naa = designator(3, Buffer.from(NAA, 'hex'));
  const port = designator(3, Buffer.from('5001405000000001', 'hex'), 1);
  const eui = designator(2, Buffer.from('0011223344556677', 'hex'));

  it('names the disk, and not the port through which it was asked', () => {
    expect(wwidOfPage(page(t10, port, naa))).toBe(`naa.${NAA}`);
    expect(wwidOfPage(page(t10, port, eui))).toBe('eui.0011223344556677');
    expect(wwidOfPage(page(t10, port))).toBe('t10.LIO-ORG_disk0:1234');
    expect(wwidOfPage(page(port))).toBeUndefined();
    const short = designator(3, Buffer.from('5001405000000001', 'hex'));
    expect(wwidOfPage(page(short, naa))).toBe(`naa.${NAA}`);
  });

  it('may be cut anywhere and hold anything', () => {
    const whole = page(t10, port, naa, eui);
    for (let cut = 0; cut < whole.length; cut++) wwidOfPage(whole.subarray(0, cut));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        if (bytes.length > 1) bytes[1] = 0x83;
        const name = wwidOfPage(bytes);
        expect(name === undefined || name.length < 600).toBe(true);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('is the same disk however its name is spelt', () => {
    const spellings = [
      `3${NAA}`,
      `mpath-3${NAA}`,
      `scsi-3${NAA}`,
      `dm-uuid-mpath-3${NAA}`,
      `wwn-0x${NAA}`,
      `0x${NAA.toUpperCase()}`,
      `naa.${NAA}`,
      `NAA.${NAA}\n`,
    ];
    for (const text of spellings) expect(canonicalWwid(text)).toBe(`naa.${NAA}`);
    expect(canonicalWwid('20011223344556677')).toBe('eui.0011223344556677');
    expect(canonicalWwid('t10.ATA     QEMU  1')).toBe('t10.ATA_QEMU_1');
  });
});

describe('the disks of a host', () => {
  let folder: { readonly path: string; remove(): Promise<void> };
  const folders = () => ({ sys: join(folder.path, 'sys'), dev: join(folder.path, 'dev') });

  async function disk(name: string, files: Record<string, string | Buffer>): Promise<void> {
    const place = join(folder.path, 'sys/devices', name);
    for (const [file, content] of Object.entries({ size: '2048\n', ro: '0\n', ...files })) {
      await mkdir(join(place, file, '..'), { recursive: true });
      await writeFile(join(place, file), content);
    }
    for (const group of ['block', 'class/block']) {
      await mkdir(join(folder.path, 'sys', group), { recursive: true });
      await symlink(place, join(folder.path, 'sys', group, name));
    }
  }

  beforeEach(async () => {
    folder = await temporaryFolder('san');
    const path = {
      'device/vpd_pg83': page(designator(3, Buffer.from(NAA, 'hex'))),
      'device/vendor': 'LIO-ORG \n',
      'device/model': 'disk            \n',
      'queue/logical_block_size': '4096\n',
    };
    await disk('sda', { ...path, 'holders/dm-0': '' });
    await disk('sdb', { ...path, 'holders/dm-0': '' });
    await disk('dm-0', { 'dm/uuid': `mpath-3${NAA}\n`, 'slaves/sda': '', 'slaves/sdb': '' });
    await disk('sdc', { 'device/wwid': 't10.ATA QEMU 1\n', 'sdc1/holders/md0': '' });
    await disk('sdd', { 'device/wwid': 'naa.5001405000000001\n' });
    await disk('sde', { 'device/wwid': 'naa.5001405000000001\n' });
    await disk('nvme0n1', { wwid: 'eui.0025388b710116a1\n', ro: '1\n' });
    await disk('loop7', { 'loop/backing_file': '/srv/lun\n' });
    await disk('loop8', { size: '0\n' });
    await mkdir(join(folder.path, 'dev/mapper'), { recursive: true });
    for (const name of ['sda', 'dm-0', 'sdc']) await writeFile(join(folder.path, 'dev', name), '');
    await symlink('../dm-0', join(folder.path, 'dev/mapper/lun'));
  });
  afterEach(() => folder.remove());

  it('are listed with sizes and names, without those that hold nothing', async () => {
    const nodes = await listBlockNodes(folders());
    expect(nodes.map(({ name, wwid }) => [name, wwid])).toEqual([
      ['dm-0', `naa.${NAA}`],
      ['loop7', 'file./srv/lun'],
      ['nvme0n1', 'eui.0025388b710116a1'],
      ['sda', `naa.${NAA}`],
      ['sdb', `naa.${NAA}`],
      ['sdc', 't10.ATA_QEMU_1'],
      ['sdd', 'naa.5001405000000001'],
      ['sde', 'naa.5001405000000001'],
    ]);
    const sda = nodes.find(({ name }) => name === 'sda');
    expect(sda).toMatchObject({
      size: 1024 * 1024,
      logicalBlock: 4096,
      vendor: 'LIO-ORG',
      model: 'disk',
      holders: ['dm-0'],
    });
  });

  it('are found by name for good: the multipath device, not one of its paths', async () => {
    const found = await findNode(folders(), { wwid: `3${NAA}`, path: undefined });
    expect(found.name).toBe('dm-0');
    const gone = findNode(folders(), { wwid: 'naa.1', path: undefined });
    expect(await codeOf(gone)).toBe('NOT_FOUND');
    const twice = findNode(folders(), { wwid: '0x5001405000000001', path: undefined });
    expect(await codeOf(twice)).toBe('PATH_UNAVAILABLE');
    const none = findNode(folders(), { wwid: undefined, path: undefined });
    expect(await codeOf(none)).toBe('INVALID_ARGUMENT');
  });

  it('are found by path, and must then be the disk that was meant', async () => {
    const path = join(folder.path, 'dev/mapper/lun');
    expect((await findNode(folders(), { wwid: undefined, path })).name).toBe('dm-0');
    expect((await findNode(folders(), { wwid: `3${NAA}`, path })).name).toBe('dm-0');
    const other = findNode(folders(), { wwid: 'naa.5001405000000001', path });
    expect(await codeOf(other)).toBe('ALREADY_EXISTS_DIFFERENT');
    const missing = findNode(folders(), { wwid: undefined, path: join(folder.path, 'dev/none') });
    expect(await codeOf(missing)).toBe('NOT_FOUND');
  });

  it('are refused when something is made of them, or when they are read-only', async () => {
    const nodes = new Map((await listBlockNodes(folders())).map((node) => [node.name, node]));
    const refusal = (name: string) =>
      codeOf(
        (async () => {
          const node = nodes.get(name);
          if (node !== undefined) refuseUsed(node);
        })(),
      ).catch((error: Error) => error.message);
    expect(await refusal('sda')).toBe('IN_USE');
    expect(await refusal('sdc')).toBe('IN_USE'); // its partition is in a RAID
    expect(await refusal('nvme0n1')).toBe('PERMISSION_DENIED');
    expect(await refusal('dm-0')).toBe('it went well');
  });

  it('are offered by a probe, each with what is known of it', async () => {
    const adapter = new SanAdapter({ folders: folders() });
    const connection = { settings: {}, secrets: {}, initiatorName: 'iqn.2026-01.dev.rootcast:one' };
    const parts = { log: SILENT, clock: () => performance.now() };
    const signal = new AbortController().signal;
    const answer = await adapter.probe(connection, parts, signal);
    expect(answer.choose).toBe('device');
    const names = answer.found.map(({ value }) => value.split('/').at(-1));
    expect(names).toEqual(['dm-0', 'loop7', 'nvme0n1', 'sdc', 'sdd', 'sde']);
    expect(answer.found[0]?.settings).toEqual({ SCSIid: `naa.${NAA}` });
    // The files of this test are no block devices, and say so.
    expect(answer.found[0]?.description).toMatch(/no block device/);
    const attach = adapter.attach(
      { ...connection, repositoryId: 'r', settings: { SCSIid: `naa.${NAA}` } },
      parts,
      { create: true, signal },
    );
    expect(await codeOf(attach)).toBe('NOT_FOUND');
  });
});
