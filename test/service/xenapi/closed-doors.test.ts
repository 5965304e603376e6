/** What must stay closed to who has a session: disks to those who may not read them, the service's own folder, its log. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import NbdClient, { type NbdInfo } from '@vates/nbd-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Xapi } from 'xen-api';
import { until } from '../../support/until.ts';
import { exported, importRaw, MIB } from '../../support/xenapi/disk-content.ts';
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

  it('says no session in its log', async () => {
    const { sessionId } = xapi;
    const sr = await service.folderSr(xapi, 'log');
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: MIB });
    await importRaw(xapi, vdi, Buffer.alloc(MIB, 'a'));
    await exported(xapi, vdi, 'raw');
    const [info]: readonly NbdInfo[] = await xapi.call('VDI.get_nbd_info', vdi);
    if (info === undefined) throw new Error('no NBD');
    await sizeByNbd(info, sessionId);
    // As a URI of NBD with one slash gives it: it is the name of nothing.
    const exportname = info.exportname.slice(1);
    await expect(sizeByNbd({ ...info, exportname }, sessionId)).rejects.toThrow();
    for (const path of ['/rrd_updates?start=0', '/export_raw_vdi?vdi=none', '/nothing?at=all']) {
      await fetch(`${service.url}${path}&session_id=${sessionId}`);
    }
    const log = (): string => service.process.stderr;
    await until('all of it is in the log', () =>
      ['/nothing', 'no export named'].every((text) => log().includes(text)),
    );
    expect(log()).not.toContain(sessionId);
  });

  it('tells of a transfer that the SR of the disk is detached', async () => {
    const sr = await service.folderSr(xapi, 'detached');
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: MIB });
    const [pbd]: readonly string[] = await xapi.call('SR.get_PBDs', sr);
    await xapi.call('PBD.unplug', pbd);
    const task: string = await xapi.call('task.create', 'an export', '');
    const query = new URLSearchParams({ vdi, task_id: task, session_id: xapi.sessionId });
    const answer = await fetch(`${service.url}/export_raw_vdi?${query}`);
    expect(answer.status).toBe(400);
    expect(await xapi.call('task.get_error_info', task)).toEqual(['SR_HAS_NO_PBDS', sr]);
  });

  it('makes no SR of the data folder of the service, where its token lies', async () => {
    for (const location of [service.process.data, join(service.process.data, 'hooks')]) {
      const sr = createSr(xapi, { type: 'file', name: 'token', config: { location } });
      await expect(sr).rejects.toMatchObject({ code: 'VALUE_NOT_SUPPORTED' });
      expect(await readdir(location)).not.toContain('.rootcast-repository.json');
    }
  });
});
