/** `@vates/nbd-client` reads what `VDI.get_nbd_info` names: over TLS, and versions of vDisks. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import NbdClient, { type NbdInfo } from '@vates/nbd-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Xapi } from 'xen-api';
import { makeTlsFiles } from '../../support/nbd-tls-files.ts';
import { describeWith, program } from '../../support/requires.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import {
  exported,
  firstDifference,
  importRaw,
  MIB,
  readBlocks,
  sparse,
} from '../../support/xenapi/disk-content.ts';
import { createVdi, XenService } from '../../support/xenapi/xen-service.ts';

describeWith([program('certtool', 'gnutls-bin')], 'NBD by what get_nbd_info says', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: XenService;
  let xapi: Xapi;
  const at = (name: string): string => join(folder.path, name);
  beforeAll(async () => {
    folder = await temporaryFolder('xenapi-nbd');
    makeTlsFiles(folder.path);
    const nbd = [
      'mode',
      'required',
      'certificate',
      at('server-cert.pem'),
      'key',
      at('server-key.pem'),
    ];
    const pairs = [0, 2, 4].flatMap((i) => [`--nbd-tls-${nbd[i]}`, nbd[i + 1] ?? '']);
    service = await XenService.start({ arguments: pairs });
    xapi = await service.connect();
  });
  afterAll(async () => {
    await service?.remove();
    await folder?.remove();
  });

  async function readWhole(vdi: string): Promise<Buffer> {
    const [info]: readonly NbdInfo[] = await xapi.call('VDI.get_nbd_info', vdi);
    if (info === undefined) throw new Error('no NBD');
    expect(info.cert).toBe(readFileSync(at('server-cert.pem'), 'utf8'));
    expect(info).toMatchObject({ subject: 'localhost', port: service.process.nbdPort });
    const client = new NbdClient(info);
    await client.connect();
    const content = await readBlocks(client);
    await client.disconnect();
    return content;
  }

  it('reads disks and snapshots over TLS, and not without', async () => {
    const sr = await service.folderSr(xapi, 'tls');
    const content = sparse(5 * MIB); // the last block is short
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: content.length });
    await importRaw(xapi, vdi, content);
    const snapshot = await xapi.callAsync('VDI.snapshot', vdi);
    await importRaw(xapi, vdi, sparse(content.length));
    expect(firstDifference(await readWhole(snapshot), content)).toBe('none');

    const [info]: readonly NbdInfo[] = await xapi.call('VDI.get_nbd_info', snapshot);
    if (info === undefined) throw new Error('no NBD');
    const { cert: _, ...plain } = info;
    await expect(new NbdClient(plain).connect()).rejects.toThrow();
    const networks = await xapi.getAllRecords('network');
    expect(networks.flatMap((network) => network['purpose'])).toContain('nbd');
    expect(networks.flatMap((network) => network['purpose'])).not.toContain('insecure_nbd');
  });

  it('reads a version of a vDisk, which is a VDI that nobody writes', async () => {
    const content = sparse(4 * MIB);
    await writeFile(at('base.img'), content);
    await service.process.json('vdisk', 'import', at('base.img'), '--name', 'golden');
    await xapi.barrier();
    const disks = Object.values(xapi.objects.indexes.type['VDI'] ?? {}).filter((vdi) =>
      String(vdi['name_label']).includes('golden'),
    );
    const [live] = disks.filter((vdi) => vdi['is_a_snapshot'] === false);
    const [version] = disks.filter((vdi) => vdi['is_a_snapshot'] === true);
    if (live === undefined || version === undefined) throw new Error(JSON.stringify(disks));
    expect(version).toMatchObject({ snapshot_of: live.$ref, read_only: true, SR: live['SR'] });
    for (const { $ref } of [live, version]) {
      expect(firstDifference(await exported(xapi, $ref, 'raw'), content)).toBe('none');
    }
    expect(firstDifference(await readWhole(version.$ref), content)).toBe('none');
    const query = { vdi: version.$ref, format: 'raw' };
    await expect(xapi.putResource(content, '/import_raw_vdi/', { query })).rejects.toThrow();
    await expect(xapi.callAsync('VDI.destroy', version.$ref)).rejects.toMatchObject({
      code: expect.stringMatching(/^[A-Z_]+$/),
    });
    const copies = await service.folderSr(xapi, 'copies');
    const copy = await xapi.callAsync('VDI.copy', version.$ref, copies);
    expect(firstDifference(await exported(xapi, copy, 'raw'), content)).toBe('none');
  });
});
