/** What must stay closed to who has a session: disks to those who may not read them, the service's own folder, its log. */
import NbdClient, { type NbdInfo } from '@vates/nbd-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Xapi } from 'xen-api';
import { exported, importRaw, MIB, sparse } from '../../support/xenapi/disk-content.ts';
import { createSr, createVdi, XenService } from '../../support/xenapi/xen-service.ts';

const PASSWORD = 'correct horse';

describe('what must stay closed', () => {
  let service: XenService;
  let xapi: Xapi;
  beforeAll(async () => {
    service = await XenService.start({ arguments: ['--log-level', 'debug'] });
    xapi = await service.connect();
    for (const role of ['read-only', 'vm-admin']) {
      await service.rest('POST', '/xen-users', { name: role, role, password: PASSWORD });
    }
  });
  afterAll(() => service?.remove());

  async function sessionOf(user: string): Promise<string> {
    const auth = { user, password: PASSWORD };
    const client = await service.connect({ auth, watchEvents: false });
    return client.sessionId;
  }

  async function sizeByNbd(info: NbdInfo, session: string): Promise<number> {
    const exportname = info.exportname.replace(/session_id=.*$/, `session_id=${session}`);
    const client = new NbdClient({ ...info, exportname });
    await client.connect();
    const size = Number(client.exportSize);
    await client.disconnect();
    return size;
  }

  it('reads no disk by NBD for a session that may not ask where it is', async () => {
    const sr = await service.folderSr(xapi, 'roles');
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: MIB });
    const [info]: readonly NbdInfo[] = await xapi.call('VDI.get_nbd_info', vdi);
    if (info === undefined) throw new Error('no NBD');
    expect(await sizeByNbd(info, await sessionOf('vm-admin'))).toBe(MIB);
    await expect(sizeByNbd(info, await sessionOf('read-only'))).rejects.toThrow();
  });
});
