/**
 * `xen-api`, the client of Xen Orchestra, as it is (reference 4.1): it connects over both transports, plain and over TLS, keeps a picture of all objects
 * by events, and gets on with sessions that end.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Xapi, XenRecord } from 'xen-api';
import { makeTlsFiles } from '../../support/nbd-tls-files.ts';
import { describeWith, program } from '../../support/requires.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { exported, firstDifference, importRaw, MIB } from '../../support/xenapi/disk-content.ts';
import { createVdi, XenService } from '../../support/xenapi/xen-service.ts';

function fieldsOf(record: XenRecord): Record<string, unknown> {
  return { ...record };
}

/** Objects by class and ref, as events have told of them. */
function picture(xapi: Xapi): Map<string, Record<string, unknown>> {
  return new Map(
    Object.values(xapi.objects.all).map((object) => [
      `${object.$type}/${object.$ref}`,
      fieldsOf(object),
    ]),
  );
}

/** The same, asked for now. */
async function asked(xapi: Xapi): Promise<Map<string, Record<string, unknown>>> {
  const found = new Map<string, Record<string, unknown>>();
  for (const type of Object.keys(xapi.objects.indexes.type)) {
    for (const record of await xapi.getAllRecords(type)) {
      found.set(`${type}/${record.$ref}`, fieldsOf(record));
    }
  }
  return found;
}

/** Sessions and tasks come and go by the calls themselves, and xen-api takes its barriers away in its own time. */
function lasting(objects: ReadonlyMap<string, Record<string, unknown>>): string {
  const kept = [...objects].filter(([key]) => !/^(session|task)\//.test(key));
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(
    kept,
    (key, value) => (key.startsWith('xo:barrier:') ? undefined : value),
    1,
  );
}

/** Events tell of everything that asking would. Room on the disk changes on and on. */
async function expectWholePicture(xapi: Xapi): Promise<void> {
  await expect
    .poll(async () => {
      const now = await asked(xapi);
      return lasting(picture(xapi)) === lasting(now) ? 'the same' : lasting(picture(xapi));
    })
    .toBe('the same');
}

describe('xen-api', () => {
  let service: XenService;
  beforeAll(async () => {
    service = await XenService.start();
  });
  afterAll(() => service?.remove());

  it.each(['json-rpc', 'xml-rpc'] as const)(
    'sees all objects by %s, and follows what changes',
    async (transport) => {
      const xapi = await service.connect({ transport });
      const types = Object.keys(xapi.objects.indexes.type);
      expect(types).toEqual(expect.arrayContaining(['pool', 'host', 'SM']));
      await expectWholePicture(xapi);

      const sr = await service.folderSr(xapi, `folder of ${transport}`);
      const vdi = await createVdi(xapi, {
        SR: sr,
        virtual_size: 4 * MIB,
        name_label: 'ein Name, ✓',
      });
      const seen = await xapi.barrier(vdi);
      expect(seen).toMatchObject({ name_label: 'ein Name, ✓', SR: sr });
      expect(Number(seen['virtual_size'])).toBe(4 * MIB);
      expect(xapi.getObject(sr)['VDIs']).toEqual([vdi]);

      await xapi.call('VDI.destroy', vdi);
      await xapi.barrier();
      expect(xapi.objects.all[seen.$id]).toBeUndefined();
      expect(xapi.getObject(sr)['VDIs']).toEqual([]);
      await expectWholePicture(xapi);
      await xapi.disconnect();
    },
  );

  it('chooses JSON-RPC when it may choose', async () => {
    const xapi = await service.connect({ transport: 'auto', watchEvents: false });
    const [host] = await xapi.getAllRecords('host');
    expect(host?.['API_version_major']).toBe(2); // a number: XML-RPC would have made it text
    await xapi.disconnect();
  });

  it('sees what is done over REST, and REST what it does', async () => {
    const xapi = await service.connect();
    const sr = await service.folderSr(xapi, 'both');
    const repository = (await xapi.getRecord('SR', sr))['uuid'];
    const added: XenRecord[] = [];
    xapi.objects.on('add', (items: Record<string, XenRecord>) =>
      added.push(...Object.values(items)),
    );
    const made = await service.rest<{ items: { name: string; id: string }[] }>(
      'GET',
      '/repositories',
    );
    const { name = '' } = made.items.find(({ id }) => id === repository) ?? {};
    expect(name).not.toBe('');

    await service.process.json('volume', 'create', `${name}/by-rest`, '--size', '4M');
    await until('the event came', () => added.some((one) => one['name_label'] === 'by-rest'));
    const vdi = added.find((one) => one['name_label'] === 'by-rest');
    expect(vdi).toMatchObject({ $type: 'VDI', SR: sr, is_a_snapshot: false });
    const shown = await service.process.json<{ id: string }>('volume', 'show', `${name}/by-rest`);
    expect(vdi?.['uuid']).toBe(shown.id);

    await createVdi(xapi, { SR: sr, virtual_size: 4 * MIB, name_label: 'by XenAPI' });
    const { items } = await service.rest<{ items: { id: string }[] }>(
      'GET',
      `/repositories/${name}/volumes`,
    );
    expect(items).toHaveLength(2);
    await xapi.disconnect();
  });

  it('writes entries of maps as it does: removed first, then added', async () => {
    const xapi = await service.connect();
    const sr = await service.folderSr(xapi, 'maps');
    await xapi.setFieldEntry('SR', sr, 'other_config', 'auto-scan', 'true');
    await xapi.setFieldEntry('SR', sr, 'other_config', 'auto-scan', 'false');
    await xapi.setFieldEntries('SR', sr, 'other_config', {
      a: '1',
      b: 'zwei & <drei>',
      none: null,
    });
    expect(await xapi.getField('SR', sr, 'other_config')).toMatchObject({
      ...{ 'auto-scan': 'false', a: '1', b: 'zwei & <drei>' },
    });
    await xapi.setFieldEntries('SR', sr, 'other_config', { a: null, b: null, 'auto-scan': null });
    const seen = await xapi.barrier(sr);
    expect(seen['other_config']).toEqual({});
    await expect(
      xapi
        .call('SR.add_to_other_config', sr, 'twice', 'x')
        .then(() => xapi.call('SR.add_to_other_config', sr, 'twice', 'y')),
    ).rejects.toMatchObject({
      code: 'MAP_DUPLICATE_KEY',
      params: ['SR', 'other_config', sr, 'twice'],
    });
    const pool = xapi.pool.$ref;
    const left = Object.keys(await xapi.getField('pool', pool, 'other_config'));
    await until('the barriers took themselves away', async () => {
      const now = await xapi.getField('pool', pool, 'other_config');
      return Object.keys(now).every((key) => !key.startsWith('xo:barrier:'));
    });
    expect(left.every((key) => key.startsWith('xo:barrier:'))).toBe(true);
    await xapi.disconnect();
  });

  it('is refused with a wrong password, and says what the server said', async () => {
    const wrong = { user: 'root', password: 'not this one' };
    const xapi = service.client({ auth: wrong, watchEvents: false });
    await expect(xapi.connect()).rejects.toMatchObject({
      code: 'SESSION_AUTHENTICATION_FAILED',
      params: ['root', expect.any(String)],
    });
  });

  it('logs in again when its session is gone, and goes on with what it watches', async () => {
    // Should it ask while it logs in anew, xen-api waits for so long.
    const eventPollDelay = 100;
    const [xapi, other] = [
      await service.connect({ eventPollDelay }),
      await service.connect({ watchEvents: false }),
    ];
    const session = xapi.sessionId;
    const response = await fetch(`${service.url}/jsonrpc`, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session.logout', params: [session] }),
    });
    expect(await response.json()).toMatchObject({ result: '' });
    expect(await xapi.call('pool.get_all')).toEqual([xapi.pool.$ref]);
    expect(xapi.sessionId).not.toBe(session);
    await other.call('pool.add_tags', xapi.pool.$ref, 'seen after all');
    await until('the tag is seen', () => xapi.pool['tags'].includes('seen after all'));
    await other.call('pool.remove_tags', xapi.pool.$ref, 'seen after all');
    await Promise.all([xapi.disconnect(), other.disconnect()]);
  });

  it('runs tasks, sees them come and go, and what they end with', async () => {
    const xapi = await service.connect();
    const sr = await service.folderSr(xapi, 'tasks');
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: 4 * MIB });
    const names = new Set<string>();
    xapi.objects.on('add', (items: Record<string, XenRecord>) => {
      for (const item of Object.values(items)) {
        if (item.$type === 'task') names.add(item['name_label']);
      }
    });
    const clone = await xapi.callAsync('VDI.clone', vdi);
    expect(clone).toMatch(/^OpaqueRef:/);
    expect(await xapi.getField('VDI', clone, 'virtual_size')).toBe(4 * MIB);
    expect(await xapi.callAsync('VDI.destroy', clone)).toBe('');
    await expect(xapi.callAsync('VDI.resize', vdi, MIB)).rejects.toMatchObject({
      code: 'SR_BACKEND_FAILURE_79',
    });
    expect([...names]).toEqual(
      expect.arrayContaining(['Async.VDI.clone', 'Async.VDI.destroy', 'Async.VDI.resize']),
    );
    await until('its tasks are gone', async () => {
      return (await xapi.getAllRecords('task')).every(
        (task) => !String(task['name_label']).startsWith('Async.VDI'),
      );
    });
    const own = await xapi.createTask('mine', 'made by hand');
    await xapi.call('task.set_progress', own, 0.5);
    await xapi.barrier();
    expect(xapi.getObject(own)).toMatchObject({
      name_label: 'mine',
      status: 'pending',
      progress: 0.5,
    });
    await xapi.call('task.set_status', own, 'success');
    expect(await xapi.watchTask(own)).toBe('');
    await xapi.disconnect();
  });

  it('tells two clients of one change, each by its own events', async () => {
    const [one, two] = [await service.connect(), await service.connect({ transport: 'xml-rpc' })];
    const sr = await service.folderSr(one, 'shared picture');
    await Promise.all([one.barrier(), two.barrier()]);
    expect(two.getObject(sr)['name_label']).toBe('shared picture');
    await two.setField('SR', sr, 'name_label', 'renamed');
    await Promise.all([one.barrier(), two.barrier()]);
    expect(one.getObject(sr)['name_label']).toBe('renamed');
    await expectWholePicture(one);
    await Promise.all([one.disconnect(), two.disconnect()]);
  });
});

describeWith([program('certtool', 'gnutls-bin')], 'xen-api over TLS', () => {
  let service: XenService;
  let files: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    files = await temporaryFolder('xenapi-tls');
    makeTlsFiles(files.path);
    const certificate = join(files.path, 'server-cert.pem');
    const key = join(files.path, 'server-key.pem');
    service = await XenService.start({
      arguments: ['--xenapi-tls-certificate', certificate, '--xenapi-tls-key', key],
    });
  });
  afterAll(async () => {
    await service?.remove();
    await files?.remove();
  });

  it('connects when it need not know who signed the certificate, and not otherwise', async () => {
    expect(service.url).toMatch(/^https:/);
    const xapi = await service.connect({ allowUnauthorized: true });
    expect(xapi.pool['master']).toMatch(/^OpaqueRef:/);
    const sr = await service.folderSr(xapi, 'over TLS');
    const vdi = await createVdi(xapi, { SR: sr, virtual_size: MIB });
    const content = Buffer.alloc(MIB, 'over TLS ');
    await importRaw(xapi, vdi, content);
    expect(firstDifference(await exported(xapi, vdi, 'raw'), content)).toBe('none');
    await xapi.disconnect();

    const strict = service.client({ allowUnauthorized: false, watchEvents: false });
    await expect(strict.connect()).rejects.toThrow(/certificate/);
    expect(readFileSync(join(files.path, 'ca-cert.pem'), 'utf8')).toContain('BEGIN CERTIFICATE');
  });
});
