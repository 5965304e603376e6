/** The iSCSI adapter: its settings, finding a LUN in steps, opening it on either side. The real tgtd: test/interop/iscsi. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  healthOf,
  ISCSI_SETTINGS,
  type IscsiConnection,
  iscsiAdapter,
  lunLocator,
  openLun,
  probeIscsi,
} from '../../../../src/adapters/iscsi/index.ts';
import { PLAIN } from '../../../../src/block/index.ts';
import { IscsiTarget, type TargetScript } from '../../../support/iscsi-target.ts';
import { type DiskOptions, TargetDisk } from '../../../support/iscsi-target-disk.ts';
import { until } from '../../../support/until.ts';

const IQN = 'iqn.2026-01.test:target';
const WWID = '3600140500000000000000000000000aa';
const SIZE = 64 * 1024;
const SECRETS = { chappassword: 'our secret 12', incoming_chappassword: 'their secret 3' };
const CHAP = { user: 'us', password: SECRETS.chappassword };

interface Logged {
  readonly details: object;
  readonly message: string;
}

describe('the iSCSI adapter', () => {
  const targets: IscsiTarget[] = [];
  const logged: Logged[] = [];
  const note = (details: object, message: string): void => {
    logged.push({ details, message });
  };
  const parts = { log: { info: note, warn: note, error: note }, clock: () => performance.now() };
  const signal = new AbortController().signal;
  afterEach(async () => {
    await Promise.all(targets.splice(0).map((target) => target.stop()));
    expect(JSON.stringify(logged.splice(0))).not.toMatch(/secret/);
  });

  async function start(
    script: TargetScript = {},
    disk: Partial<DiskOptions> = {},
  ): Promise<IscsiTarget> {
    const target = await IscsiTarget.start(new TargetDisk({ size: SIZE, ...disk }), script);
    targets.push(target);
    return target;
  }

  function connection(
    settings: IscsiConnection['settings'],
    secrets: IscsiConnection['secrets'] = {},
  ): IscsiConnection {
    return { settings, secrets, initiatorName: 'iqn.2026-01.test:initiator' };
  }

  it('keeps its secrets among the secrets', () => {
    const secret = ISCSI_SETTINGS.filter((field) => field.secret).map(({ name }) => name);
    expect(secret).toEqual(['chappassword', 'incoming_chappassword']);
  });

  it('finds a LUN step by step', async () => {
    const target = await start();
    target.script.targets = [
      ['TargetName', IQN],
      ['TargetAddress', `${target.portal},1`],
      ['TargetName', 'iqn.2026-01.test:inside'],
      ['TargetAddress', '10.99.0.1:3260,1'],
    ];
    const [host = '', port] = target.portal.split(':');
    const settings: Record<string, string | number> = {};
    const probe = () => probeIscsi(connection(settings), parts, signal);
    expect(await probe()).toEqual({ step: 'address', choose: 'target', found: [] });
    Object.assign(settings, { target: host, port: Number(port) });
    expect(await probe()).toEqual({
      step: 'system',
      choose: 'targetIQN',
      found: [
        { value: IQN, description: target.portal, settings: { portals: [target.portal] } },
        {
          value: 'iqn.2026-01.test:inside',
          description: 'announces 10.99.0.1:3260',
          settings: { portals: [target.portal] },
        },
      ],
    });
    settings['targetIQN'] = IQN;
    const lun = {
      value: WWID,
      description: 'ROOTCAST TEST DISK serial-1, empty',
      settings: { LUNid: 1 },
      size: SIZE,
      disk: { vendor: 'ROOTCAST', product: 'TEST DISK', serial: 'serial-1' },
    };
    target.script.tamper = ({ pdu, data }) => {
      // The only LUN that it reports is number one.
      if (pdu.kind !== 'data-in' || data.length !== 16 || data.readUInt32BE(0) !== 8)
        return undefined;
      const changed = Buffer.from(data);
      changed[9] = 1;
      return [{ pdu, data: changed }];
    };
    expect(await probe()).toEqual({ step: 'pool', choose: 'SCSIid', found: [lun] });
    settings['SCSIid'] = WWID;
    expect(await probe()).toEqual({
      step: 'ready',
      choose: undefined,
      found: [lun],
      capabilities: expect.objectContaining({ thin: 'yes', multiPath: 'yes', chapEnforced: 'no' }),
    });
    settings['SCSIid'] = '3600140500000000000000000000000bb';
    await expect(probe()).rejects.toMatchObject({
      code: 'NOT_FOUND',
      details: { refs: [`1: ${WWID}`] },
    });
  });

  it.each<[string, Record<string, string | number>, Record<string, string>]>([
    ['target', { target: 'a b' }, {}],
    ['chappassword', { target: 'a', chapuser: 'us' }, {}],
    ['chapuser', { target: 'a', incoming_chapuser: 'them' }, SECRETS],
    [
      'incoming_chappassword',
      { target: 'a', chapuser: 'us', incoming_chapuser: 'them' },
      { chappassword: 'the same secret', incoming_chappassword: 'the same secret' },
    ],
    ['patience', { target: 'a', patience: 0 }, {}],
  ])('refuses settings that make no sense: %s', async (field, settings, secrets) => {
    const error = await probeIscsi(connection(settings, secrets), parts, signal).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } });
    expect(String(error)).not.toMatch(/the same secret/);
  });

  it('opens the LUN, on the main thread and in a worker', async () => {
    const target = await start({
      chap: { ...CHAP, outgoing: { user: 'them', password: 'their secret 3' } },
    });
    const settings = {
      target: target.portal,
      targetIQN: IQN,
      LUNid: 1,
      SCSIid: WWID,
      chapuser: 'us',
      incoming_chapuser: 'them',
    };
    const reach = connection(settings, SECRETS);
    const lun = await openLun(reach, parts, { repositoryId: 'r1', write: true, signal });
    expect(lun).toMatchObject({
      wwid: WWID,
      chapEnforced: 'yes',
      vendor: 'ROOTCAST',
      serial: 'serial-1',
    });
    expect(lun.locator).toEqual({
      adapter: 'iscsi',
      repository: 'r1',
      volume: WWID,
      address: { portals: target.portal, iqn: IQN, lun: 1, wwid: WWID },
    });
    expect(lun.health()).toEqual({
      state: 'good',
      messages: [],
      paths: [{ name: target.portal, up: true }],
    });
    await lun.device.write(Buffer.alloc(512, 4), 0, PLAIN);
    const read = Buffer.alloc(512);
    await lun.device.read(read, 0);
    expect(read[0]).toBe(4);
    await lun.close();
  });

  it('says when CHAP is set and keeps nobody out', async () => {
    const target = await start();
    const settings = { target: target.portal, targetIQN: IQN, LUNid: 1, chapuser: 'us' };
    const lun = await openLun(connection(settings, SECRETS), parts, {
      ...{ repositoryId: 'r1', write: false, signal },
    });
    expect(lun.chapEnforced).toBe('no');
    await lun.close();
  });

  it.each<[string, TargetScript, Record<string, string | number>]>([
    ['AUTH_FAILED', { chap: CHAP }, {}],
    ['NOT_FOUND', {}, { SCSIid: '3600140500000000000000000000000bb' }],
  ])('fails with %s', async (code, script, more) => {
    const target = await start(script);
    const settings = { target: target.portal, targetIQN: IQN, LUNid: 1, ...more };
    const options = { repositoryId: 'r1', write: true, signal };
    await expect(openLun(connection(settings), parts, options)).rejects.toMatchObject({ code });
  });

  it('fails with UNREACHABLE when nobody is there, CANCELLED when nobody waits any more', async () => {
    const target = await start();
    const settings = { target: target.portal, targetIQN: IQN, LUNid: 1 };
    await target.stop();
    const options = { repositoryId: 'r1', write: true, signal };
    await expect(openLun(connection(settings), parts, options)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      retry: 'back-off',
    });
    const waiting = new AbortController();
    const given = { ...options, signal: waiting.signal };
    // For two minutes, if nobody gave up.
    const opening = openLun(connection(settings), parts, given);
    setImmediate(() => waiting.abort());
    await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
    const gone = AbortSignal.abort();
    await expect(
      openLun(connection(settings), parts, { ...options, signal: gone }),
    ).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await expect(probeIscsi(connection(settings), parts, gone)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it.each(['attach', 'check'] as const)(
    'is not waited for any more when %s is cancelled while the LUN does not answer',
    async (what) => {
      const target = await start({}, { size: 16 * 2 ** 20 });
      const given = { target: target.portal, targetIQN: IQN, LUNid: 1 };
      const reach = { ...connection(given), repositoryId: `silent-${what}` };
      await (await iscsiAdapter.attach(reach, parts, { create: true, signal })).close();
      const before = Buffer.from(target.disk.content);

      const cancel = new AbortController();
      target.script.tamper = ({ pdu, data }) => {
        if (pdu.kind !== 'data-in' || data.length < 4096) return undefined;
        setImmediate(() => cancel.abort());
        return []; // a superblock never comes
      };
      const options = { signal: cancel.signal };
      const working =
        what === 'attach'
          ? iscsiAdapter.attach(reach, parts, options)
          : iscsiAdapter.check?.(reach, parts, { ...options, repair: true, force: false });
      // In two minutes, if nobody gave up.
      await expect(working).rejects.toMatchObject({ code: 'CANCELLED' });
      await until('its sessions have ended', () => target.connections.size === 0);
      expect(target.disk.content.equals(before)).toBe(true);

      delete target.script.tamper;
      await (await iscsiAdapter.attach(reach, parts, { signal })).close();
    },
  );

  it('refuses locators of others', async () => {
    const reach = { ...connection({ target: 'a' }), repositoryId: 'r1' };
    const data = iscsiAdapter.openData(reach, parts, async () => undefined);
    const open = async (address: Record<string, string | number>, adapter = 'iscsi') =>
      data.open({ adapter, volume: 'v', address }, { write: true });
    const { address } = lunLocator(undefined, 'v', {
      portals: ['a:1'],
      iqn: IQN,
      lun: 1,
      wwid: WWID,
    });
    await expect(open(address, 'nfs')).rejects.toMatchObject({ errno: 'EINVAL' });
    await expect(open({ ...address, lun: 'one' })).rejects.toMatchObject({ errno: 'EINVAL' });
    await data.close?.();
  });

  it('is degraded with one path down, and failed with all', () => {
    const path = { state: 'connecting', active: false } as const;
    const up = { ...path, name: 'a', up: true, reason: undefined };
    const down = { ...path, name: 'b', up: false, reason: 'refused' };
    expect(healthOf([up, down])).toMatchObject({
      state: 'degraded',
      messages: ['path b: refused'],
    });
    expect(healthOf([down])).toMatchObject({ state: 'failed' });
  });
});
