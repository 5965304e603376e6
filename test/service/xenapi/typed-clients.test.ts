/**
 * The call sequences of typed SDKs and of what is built on them (reference 4.3 to 4.6), with what their code needs of
 * the answers: types, keys, and what they take for an error. Those over XML-RPC are in python.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../support/xenapi/disk-content.ts';
import { JsonRpc } from '../../support/xenapi/json-rpc.ts';
import { XenService } from '../../support/xenapi/xen-service.ts';

const REF = /^OpaqueRef:[0-9a-f-]{36}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

let service: XenService;
beforeAll(async () => {
  service = await XenService.start();
});
afterAll(() => service?.remove());

async function loggedIn(version: 1 | 2, ...more: readonly string[]): Promise<JsonRpc> {
  const rpc = new JsonRpc(service.url, version, { 'user-agent': 'a typed SDK' });
  const { user, password } = service.credentials;
  await rpc.login(user, password, ...more);
  return rpc;
}

describe('the Go SDK', () => {
  it('logs in: it looks for the pool, its host twice, and the version of xapi', async () => {
    const rpc = await loggedIn(2, '1.0', 'a Go program');
    expect(rpc.session).toMatch(REF);
    const pools = await rpc.call('pool.get_all');
    expect(pools).toHaveLength(1);
    const pool = await rpc.call('pool.get_record', pools[0]);
    expect(pool.master).toMatch(REF);
    const host = await rpc.call('host.get_record', pool.master);
    expect(typeof host.software_version.xapi).toBe('string'); // or its login fails
    expect([typeof host.API_version_major, typeof host.API_version_minor]).toEqual([
      'number',
      'number',
    ]);
    expect(await rpc.call('session.logout')).toBe('');
    await expect(rpc.call('pool.get_all')).rejects.toMatchObject({
      ...{ code: 'SESSION_INVALID', params: [rpc.session] },
    });
  });

  it('takes the second and the third part of every error for text', async () => {
    const rpc = await loggedIn(2);
    for (const [method, ...params] of [
      ['VDI.get_record', 'OpaqueRef:nothing'],
      ['VDI.get_by_uuid', 'nothing'],
      ['VDI.resize', 'OpaqueRef:nothing'],
      ['VDI.no_such_method', 'x'],
      ['SR.create', 1, 2, 3],
      ['VDI.create', {}],
      ['event.from', ['nothing of that kind!'], '', 0],
      ['event.from', ['*'], 'no token', 0],
    ]) {
      const failure = await rpc.call(String(method), ...params).then(
        (answer) => expect.unreachable(`${method}: ${JSON.stringify(answer)}`),
        (error: unknown) => error,
      );
      expect(failure).toMatchObject({ code: expect.stringMatching(/^[A-Z_0-9]+$/) });
      const { params: said } = failure as { params: unknown[] };
      expect(said.every((part) => typeof part === 'string')).toBe(true);
    }
  });
});

describe('the C# SDK', () => {
  it.each([1, 2] as const)('logs in by JSON-RPC %d.0', async (version) => {
    const rpc = await loggedIn(version, '2.21', 'XenCenter');
    const pools = await rpc.call('pool.get_all_records');
    const [pool] = Object.values<{ master: string }>(pools);
    const host = await rpc.call('host.get_record', pool?.master);
    expect(host.API_version_major).toBe(2);
    expect(await rpc.call('session.get_is_local_superuser', rpc.session)).toBe(true);
    const permissions = await rpc.call('session.get_rbac_permissions', rpc.session);
    expect(permissions).toEqual(expect.arrayContaining(['vdi.create', 'sr.create']));
    await rpc.call('session.logout');
  });

  it('reads who it is when it is not root', async () => {
    await service.rest('POST', '/xen-users', {
      ...{ name: 'reader', role: 'read-only', password: 'only for reading' },
    });
    const rpc = new JsonRpc(service.url, 2);
    await rpc.login('reader', 'only for reading', '2.21', 'XenCenter');
    expect(await rpc.call('session.get_is_local_superuser', rpc.session)).toBe(false);
    expect(await rpc.call('session.get_subject', rpc.session)).toMatch(/^OpaqueRef:/);
    expect(await rpc.call('session.get_auth_user_sid', rpc.session)).not.toBe('');
    const permissions = await rpc.call('session.get_rbac_permissions', rpc.session);
    expect(permissions).toContain('vdi.get_all_records');
    expect(permissions).not.toContain('vdi.create');
    await expect(rpc.call('SR.scan', await folderSr(await loggedIn(2)))).rejects.toMatchObject({
      ...{ code: 'RBAC_PERMISSION_DENIED', params: ['sr.scan', expect.any(String)] },
    });
  });
});

describe('the Java SDK', () => {
  it('asks for its host, and the version of it', async () => {
    const rpc = await loggedIn(2);
    const host = await rpc.call('session.get_this_host', rpc.session);
    expect(host).toMatch(REF);
    expect(await rpc.call('host.get_API_version_major', host)).toBe(2);
    expect(await rpc.call('host.get_API_version_minor', host)).toEqual(expect.any(Number));
    expect(await rpc.call('host.get_enabled', host)).toBe(true);
  });
});

describe('the Terraform provider', () => {
  it('makes an SR, changes it, and lets go of it', async () => {
    const rpc = await loggedIn(2, '1.0', 'terraform provider');
    const [host] = await rpc.call('host.get_all');
    const uuid = (await rpc.call('host.get_record', host)).uuid;
    expect(await rpc.call('host.get_by_uuid', uuid)).toBe(host);
    const location = await service.folder();
    const sr = await rpc.call(
      ...(['SR.create', host, { location }, 0, 'tf', 'by terraform', 'file', 'user'] as const),
      ...[false, {}],
    );
    const [pbd, ...others] = await rpc.call('SR.get_PBDs', sr);
    expect(others).toEqual([]);
    expect(await rpc.call('PBD.get_currently_attached', pbd)).toBe(true);
    const config = await rpc.call('SR.get_other_config', sr);
    await rpc.call('SR.set_other_config', sr, { ...config, 'auto-scan': 'true' });
    const record = await rpc.call('SR.get_record', sr);
    expect(record).toMatchObject({
      ...{ name_label: 'tf', name_description: 'by terraform', type: 'file', shared: false },
      ...{ PBDs: [pbd], content_type: 'user', sm_config: {} },
      other_config: { 'auto-scan': 'true' },
    });
    expect(record.uuid).toMatch(UUID);
    expect((await rpc.call('PBD.get_record', record.PBDs[0])).device_config).toMatchObject({
      location, // or its plan never settles
    });
    expect(await rpc.call('SR.get_by_uuid', record.uuid)).toBe(sr);
    await rpc.call('SR.set_name_label', sr, 'tf 2');
    await rpc.call('SR.set_name_description', sr, 'changed');
    await rpc.call('SR.set_sm_config', sr, { a: 'b' });
    expect(await rpc.call('SR.get_shared', sr)).toBe(false);
    expect(await rpc.call('SR.get_record', sr)).toMatchObject({
      ...{ name_label: 'tf 2', name_description: 'changed', sm_config: { a: 'b' } },
    });
    await rpc.call('PBD.unplug', pbd);
    await rpc.call('SR.forget', sr);
    await expect(rpc.call('SR.get_by_uuid', record.uuid)).rejects.toMatchObject({
      ...{ code: 'UUID_INVALID', params: ['SR', record.uuid] },
    });
  });

  it('makes a VDI by the whole record, uploads into it, and waits for the task', async () => {
    const rpc = await loggedIn(2, '1.0', 'terraform provider');
    const sr = await folderSr(rpc);
    const whole = {
      ...{ uuid: '', name_label: 'tf disk', name_description: '', allowed_operations: null },
      ...{ current_operations: null, SR: sr, VBDs: null, crash_dumps: null },
      ...{ virtual_size: 4 * MIB, physical_utilisation: 0, type: 'user', sharable: false },
      ...{ read_only: false, other_config: {}, storage_lock: false, location: '', managed: false },
      ...{ missing: false, parent: '', xenstore_data: null, sm_config: null },
      ...{ is_a_snapshot: false, snapshot_of: '', snapshots: null },
      ...{ snapshot_time: '0001-01-01T00:00:00Z', tags: null, allow_caching: false, on_boot: '' },
      ...{ metadata_of_pool: '', metadata_latest: false, is_tools_iso: false, cbt_enabled: false },
    };
    const vdi = await rpc.call('VDI.create', whole);
    const { uuid } = await rpc.call('VDI.get_record', vdi);
    expect(await rpc.call('VDI.get_by_uuid', uuid)).toBe(vdi);
    const task = await rpc.call('task.create', 'upload', 'by terraform');
    const query = new URLSearchParams({
      ...{ session_id: rpc.session, vdi, task_id: task, format: 'raw' },
    });
    const content = Buffer.alloc(4 * MIB, 'terraform');
    const sent = await fetch(`${service.url}/import_raw_vdi?${query}`, {
      ...{ method: 'PUT', body: content },
    });
    expect(sent.status).toBe(200);
    expect(sent.headers.get('task-id')).toBe(task);
    await sent.arrayBuffer();
    await expect.poll(() => rpc.call('task.get_status', task)).toBe('success');
    expect(await rpc.call('task.get_progress', task)).toBe(1);
    expect(await rpc.call('task.get_error_info', task)).toEqual([]);
    await rpc.call('task.destroy', task);
    await rpc.call('VDI.set_name_label', vdi, 'tf disk 2');
    await rpc.call('VDI.set_name_description', vdi, 'uploaded');
    await rpc.call('VDI.set_other_config', vdi, { k: 'v' });
    const record = await rpc.call('VDI.get_record', vdi);
    expect(record).toMatchObject({
      ...{ name_label: 'tf disk 2', name_description: 'uploaded', other_config: { k: 'v' } },
      ...{ virtual_size: 4 * MIB, SR: sr },
    });
    expect(record.allowed_operations).toContain('destroy');
    await rpc.call('VDI.destroy', vdi);
    await expect(rpc.call('VDI.get_by_uuid', uuid)).rejects.toMatchObject({
      ...{ code: 'UUID_INVALID', params: ['VDI', uuid] },
    });
  });

  it('keeps a password in a secret of its own', async () => {
    const rpc = await loggedIn(2, '1.0', 'terraform provider');
    const secret = await rpc.call('secret.create', { value: 'a password', other_config: {} });
    const uuid = await rpc.call('secret.get_uuid', secret);
    expect(uuid).toMatch(UUID);
    expect(await rpc.call('secret.get_by_uuid', uuid)).toBe(secret);
    expect(await rpc.call('secret.get_value', secret)).toBe('a password');
    await rpc.call('secret.destroy', secret);
    await expect(rpc.call('secret.get_value', secret)).rejects.toMatchObject({
      code: 'HANDLE_INVALID',
    });
  });

  it('lists what its data sources show', async () => {
    const rpc = await loggedIn(2);
    for (const type of ['SR', 'host', 'network', 'PIF', 'VM', 'VDI', 'PBD', 'SM']) {
      const records = await rpc.call(`${type}.get_all_records`);
      for (const [ref, record] of Object.entries<{ uuid: string }>(records)) {
        expect(ref).toMatch(REF);
        expect(record.uuid).toMatch(UUID);
      }
    }
  });
});

describe('terra-farm’s Terraform provider', () => {
  it('may not set the size of a VDI in the database', async () => {
    const rpc = await loggedIn(2);
    const sr = await folderSr(rpc);
    const vdi = await rpc.call('VDI.create', {
      ...{ SR: sr, name_label: 'x', virtual_size: MIB, type: 'user', sharable: false },
      ...{ read_only: false, other_config: {} },
    });
    await rpc.call('VDI.set_sharable', vdi, true);
    await rpc.call('VDI.set_read_only', vdi, true);
    expect(await rpc.call('VDI.get_record', vdi)).toMatchObject({
      sharable: true,
      read_only: true,
    });
    await expect(rpc.call('VDI.set_virtual_size', vdi, 2 * MIB)).rejects.toMatchObject({
      code: expect.stringMatching(
        /^(PERMISSION_DENIED|RBAC_PERMISSION_DENIED|MESSAGE_METHOD_UNKNOWN)$/,
      ),
    });
    await rpc.call('VDI.destroy', vdi);
  });
});

async function folderSr(rpc: JsonRpc): Promise<string> {
  const [host] = await rpc.call('host.get_all');
  const config = { location: await service.folder() };
  return rpc.call('SR.create', host, config, 0, 'folder', '', 'file', 'user', false, {});
}
