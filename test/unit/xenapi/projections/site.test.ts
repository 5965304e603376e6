import { afterEach, describe, expect, it } from 'vitest';
import { describeClass, field } from '../../../../src/xenapi/datamodel/description.ts';
import { emptyRecord } from '../../../../src/xenapi/objects/defaults.ts';
import { NULL_REF, refOf } from '../../../../src/xenapi/objects/refs.ts';
import { HOST_EVERY_MS } from '../../../../src/xenapi/projections/limits.ts';
import {
  HOST_REF,
  METRICS_REF,
  NETWORK_REF,
  PIF_REF,
  POOL_REF,
} from '../../../../src/xenapi/projections/site-records.ts';
import type { XenSettings } from '../../../../src/xenapi/xen.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { type ServerRig, type ServerRigOptions, serverRig } from '../server-rig.ts';

const opened: ServerRig[] = [];
const folders: { remove(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
  for (const folder of folders.splice(0)) await folder.remove();
});

async function catalogPath(): Promise<string> {
  const folder = await temporaryFolder('site');
  folders.push(folder);
  return `${folder.path}/catalog.sqlite`;
}

async function open(options: ServerRigOptions = {}): Promise<ServerRig> {
  const server = await serverRig(options);
  opened.push(server);
  return server;
}

const NBD_PORT = 10_809;
const nbd = (tls: XenSettings['nbd']['tls']): XenSettings['nbd'] => ({
  ...{ port: NBD_PORT, tls },
  certificate: tls === 'off' ? undefined : 'PEM',
});

/** A small SR: the real one is not what this is about. */
const SR = describeClass({
  name: 'SR',
  doc: 'Storage',
  role: 'pool-operator',
  fields: { uuid: field('string', 'dynamic', 'Its own') },
  messages: {},
});

describe('the pool and its host', () => {
  it('keep their uuids and what clients set over a restart; another server has others', async () => {
    const path = await catalogPath();
    const classes = ['pool', 'host', 'host_metrics', 'network', 'PIF', 'PVS_site', 'PVS_server'];
    const uuids = ({ xen }: ServerRig) =>
      classes.map((name) => xen.objects.requireAny(name, refOf(name, 'this'))['uuid']);
    const first = await open({ path });
    const before = uuids(first);
    expect(new Set(before).size).toBe(classes.length);
    await first.rig.call('pool.set_name_label', POOL_REF, 'Blades');
    await first.rig.call('host.add_to_other_config', HOST_REF, 'rack', '7');
    await opened.pop()?.close();

    const again = await open({ path });
    expect(uuids(again)).toEqual(before);
    expect(await again.rig.call('pool.get_name_label', POOL_REF)).toBe('Blades');
    expect(await again.rig.call('host.get_other_config', HOST_REF)).toEqual(
      new Map([
        ['rack', '7'],
        ['agent_start_time', expect.stringMatching(/^\d+\.$/)],
        ['boot_time', expect.stringMatching(/^\d+\.$/)],
      ]),
    );
    expect(uuids(await open())).not.toEqual(before);
  });

  it('can be told apart from a hypervisor, and still be read by who knows only those', async () => {
    const { rig } = await open();
    const version = (await rig.call('host.get_software_version', HOST_REF)) as Map<string, string>;
    expect(version.get('product_brand')).toBe('Rootcast');
    expect(version.get('rootcast')).toBe('0.0.0');
    expect(version.has('xen')).toBe(false);
    expect(Number.parseFloat(version.get('product_version') ?? '')).toBeGreaterThan(6.4);
  });

  it('have the oldest repository for default SR until somebody chooses another, and while that lives', async () => {
    const { rig, xen } = await open({ classes: [SR] });
    const put = (id: string, kind: 'repository' | 'vdisk'): string => {
      const ref = refOf('SR', id);
      xen.objects.put('SR', ref, { ...emptyRecord(SR), uuid: id }, { kind, id });
      return ref;
    };
    const defaultSr = () => rig.call('pool.get_default_SR', POOL_REF);
    const changed = () => xen.objects.touch('pool', POOL_REF);
    expect(await defaultSr()).toBe(NULL_REF);
    put('library', 'vdisk');
    const [one, two] = [put('one', 'repository'), put('two', 'repository')];
    changed();
    expect(await defaultSr()).toBe(one);
    await rig.call('pool.set_default_SR', POOL_REF, two);
    await rig.call('pool.set_suspend_image_SR', POOL_REF, two);
    expect(await defaultSr()).toBe(two);
    xen.objects.delete('SR', two);
    changed();
    expect(await defaultSr()).toBe(one);
    expect(await rig.call('pool.get_suspend_image_SR', POOL_REF)).toBe(NULL_REF);
  });

  it('say how much memory is free, anew once a minute', async () => {
    const { rig, host, site, xen } = await open();
    const free = () => rig.call('host_metrics.get_memory_free', METRICS_REF);
    await free();
    host.free = 5;
    const now = xen.control.startedAt;
    site.observe(now + HOST_EVERY_MS - 1);
    expect(await free()).toBe(2 ** 30);
    site.observe(now + HOST_EVERY_MS);
    expect(await free()).toBe(5);
  });

  it('tell the time', async () => {
    const { rig } = await open();
    const time = (await rig.call('host.get_servertime', HOST_REF)) as number;
    expect(Math.abs(time - Date.now())).toBeLessThan(60_000);
  });
});

describe('the network', () => {
  it('has the interface that the server is reached on', async () => {
    const { rig } = await open();
    const record = await rig.call('PIF.get_record', PIF_REF);
    expect(record).toMatchObject({
      ...{ device: 'eth0', IP: '192.0.2.7', netmask: '255.255.255.0', management: true },
      ...{ IPv6: ['2001:db8::7/64'], MAC: '02:00:00:00:00:07', currently_attached: true },
      ...{ network: NETWORK_REF, host: HOST_REF, bond_slave_of: NULL_REF },
    });
    expect(await rig.call('network.get_PIFs', NETWORK_REF)).toEqual([PIF_REF]);
    expect(await rig.call('host.get_management_interface', HOST_REF)).toBe(PIF_REF);
  });

  it.each([
    ['off', ['insecure_nbd']],
    ['allowed', ['nbd']],
    ['required', ['nbd']],
  ] as const)('is for NBD as the server does it: TLS %s', async (tls, purpose) => {
    const { rig } = await open({ settings: { nbd: nbd(tls) } });
    expect(await rig.call('network.get_purpose', NETWORK_REF)).toEqual(purpose);
  });

  it('is for what somebody chose, one thing at a time, of what the server can do', async () => {
    const path = await catalogPath();
    const { rig } = await open({ path, settings: { nbd: nbd('allowed') } });
    const purpose = () => rig.call('network.get_purpose', NETWORK_REF);
    expect(await rig.refusal('network.add_purpose', NETWORK_REF, 'insecure_nbd')).toEqual([
      'NETWORK_INCOMPATIBLE_PURPOSES',
      'insecure_nbd',
      'nbd',
    ]);
    await rig.call('network.add_purpose', NETWORK_REF, 'nbd'); // it is already
    await rig.call('network.remove_purpose', NETWORK_REF, 'nbd');
    expect(await purpose()).toEqual([]);
    await rig.call('network.remove_purpose', NETWORK_REF, 'nbd');
    await rig.call('network.add_purpose', NETWORK_REF, 'insecure_nbd');
    expect(await purpose()).toEqual(['insecure_nbd']);
    await opened.pop()?.close();

    const strict = await open({ path, settings: { nbd: nbd('required') } });
    expect(await strict.rig.call('network.get_purpose', NETWORK_REF)).toEqual([]);
    expect(
      await strict.rig.refusal('network.add_purpose', NETWORK_REF, 'insecure_nbd'),
    ).toMatchObject({ 0: 'OPERATION_NOT_ALLOWED' });
  });
});
