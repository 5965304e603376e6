import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refOf } from '../../../../src/xenapi/objects/refs.ts';
import { MACHINES_EVERY_MS } from '../../../../src/xenapi/projections/limits.ts';
import { HOST_REF } from '../../../../src/xenapi/projections/site-records.ts';
import { VDISK } from '../../control/catalog/rows.ts';
import { type ServerRig, serverRig } from '../server-rig.ts';

let server: ServerRig;
beforeEach(async () => {
  server = await serverRig();
});
afterEach(() => server.close());

const SITE = refOf('PVS_site', 'this');
const SERVER = refOf('PVS_server', 'this');

function addMachine(id: string): string {
  const { catalog } = server.rig.control;
  catalog.transaction(() => {
    catalog.vdisks.insert(VDISK);
    catalog.machines.insert({
      ...{ id, name: id, mac: '02:00:00:00:00:01', collectionId: undefined },
      own: { ...NOTHING_SET, vdiskId: VDISK.id },
      ...{ pinnedVersion: undefined, maintains: undefined, kernelArguments: '' },
      enrolment: 'added',
      createdAt: 1,
    });
  });
  return refOf('PVS_proxy', id);
}

const NOTHING_SET = {
  ...{ class: undefined, cacheMode: undefined, quotaBytes: undefined },
  ...{ onNewVersion: undefined, enabled: undefined, bootLoader: undefined },
};

describe('PVS classes', () => {
  it('show the server as a site of one server', async () => {
    const site = (await server.rig.call('PVS_site.get_record', SITE)) as Record<string, unknown>;
    expect(site).toMatchObject({ name_label: 'rig', servers: [SERVER], proxies: [] });
    expect(site['PVS_uuid']).toBe(site['uuid']);
    expect(await server.rig.call('PVS_server.get_record', SERVER)).toMatchObject({
      ...{ addresses: ['192.0.2.7'], first_port: 10_809, last_port: 10_809, site: SITE },
    });
  });

  it('show each machine, and whether it is on', async () => {
    const ref = addMachine('m1');
    const record = () => server.rig.call('PVS_proxy.get_record', ref);
    expect(await record()).toMatchObject({
      ...{ uuid: 'm1', site: SITE, status: 'stopped', currently_attached: false },
    });
    expect(await server.rig.call('PVS_site.get_proxies', SITE)).toEqual([ref]);

    const connection = { address: '192.0.2.9', connectedAt: 0, tls: false };
    server.rig.dataPlane.set('m1', { connections: [connection] });
    server.machines.observe(1000);
    expect(await record()).toMatchObject({ status: 'caching', currently_attached: true });
    server.rig.dataPlane.set('m1', { connections: [] });
    server.machines.observe(1000 + MACHINES_EVERY_MS - 1);
    expect(await record()).toMatchObject({ status: 'caching' });
    server.machines.observe(1000 + MACHINES_EVERY_MS);
    expect(await record()).toMatchObject({ status: 'stopped' });

    server.rig.control.catalog.boots.insert('m1', 'debian', 1, 0);
    server.machines.observe(1000 + 2 * MACHINES_EVERY_MS);
    expect(await record()).toMatchObject({ status: 'initialised', currently_attached: true });

    const { catalog } = server.rig.control;
    catalog.transaction(() => catalog.machines.delete('m1'));
    expect(await server.rig.refusal('PVS_proxy.get_status', ref)).toEqual([
      'HANDLE_INVALID',
      'PVS_proxy',
      ref,
    ]);
  });

  it('tell of where write caches are', async () => {
    addMachine('m1');
    const storages = (await server.rig.call('PVS_cache_storage.get_all_records')) as Map<
      string,
      Record<string, unknown>
    >;
    expect([...storages.values()]).toEqual([
      expect.objectContaining({ host: HOST_REF, SR: 'OpaqueRef:NULL', site: SITE }),
    ]);
  });

  it('cannot be changed, and say why with the errors that are documented', async () => {
    const ref = addMachine('m1');
    const refusal = (method: string, ...given: unknown[]) => server.rig.refusal(method, ...given);
    expect(await refusal('PVS_site.forget', SITE)).toEqual(['PVS_SITE_CONTAINS_SERVERS', SERVER]);
    expect(await refusal('PVS_site.introduce', 'a', 'b', 'c')).toMatchObject({
      0: 'OPERATION_NOT_ALLOWED',
    });
    expect(await refusal('PVS_server.introduce', ['192.0.2.7'], 1, 2, SITE)).toEqual([
      'PVS_SERVER_ADDRESS_IN_USE',
      '192.0.2.7',
    ]);
    expect(await refusal('PVS_proxy.destroy', ref)).toMatchObject({ 0: 'OPERATION_NOT_ALLOWED' });
    expect(await refusal('PVS_cache_storage.create', { site: SITE, host: HOST_REF })).toEqual([
      'PVS_CACHE_STORAGE_ALREADY_PRESENT',
      SITE,
      HOST_REF,
    ]);
    const connection = { address: '192.0.2.9', connectedAt: 0, tls: false };
    server.rig.dataPlane.set('m1', { connections: [connection] });
    server.machines.observe(1000);
    expect(await refusal('PVS_site.set_PVS_uuid', SITE, 'x')).toEqual([
      'PVS_SITE_CONTAINS_RUNNING_PROXIES',
      ref,
    ]);
  });

  it('can be called otherwise', async () => {
    await server.rig.call('PVS_site.set_name_label', SITE, 'Boston');
    expect(await server.rig.call('PVS_site.get_by_name_label', 'Boston')).toEqual([SITE]);
  });
});
