/**
 * SRs over storage that nobody here has written, asked for as Xen Orchestra asks: step by step by SR.probe, whose answers
 * are errors with XML; then made, scanned, forgotten, and found again.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { iscsiAdapter } from '../../../src/adapters/iscsi/index.ts';
import { nfsAdapter } from '../../../src/adapters/nfs/index.ts';
import { createVolume } from '../../../src/control/index.ts';
import type { Adapter } from '../../../src/repositories/index.ts';
import type { RecordOf } from '../../../src/xenapi/datamodel/description.ts';
import { PBD } from '../../../src/xenapi/datamodel/pbd.ts';
import { SM } from '../../../src/xenapi/datamodel/sm.ts';
import { SR } from '../../../src/xenapi/datamodel/sr.ts';
import { pbdMessages } from '../../../src/xenapi/messages/pbd/index.ts';
import { secretMessages } from '../../../src/xenapi/messages/secret/index.ts';
import { smMessages } from '../../../src/xenapi/messages/sm/index.ts';
import { srMessages } from '../../../src/xenapi/messages/sr/index.ts';
import { refOf } from '../../../src/xenapi/objects/refs.ts';
import { repositoriesProjection } from '../../../src/xenapi/projections/repositories.ts';
import { freePort } from '../../support/free-port.ts';
import { Ganesha } from '../../support/nfs-ganesha.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { Tgtd } from '../../support/tgtd.ts';
import { XenRig } from '../../support/xen-rig.ts';

const HOST = refOf('host', 'this');
const NONE = new Map<string, string>();
const IQN = 'iqn.2026-01.test.rootcast:xenapi';
const PASSWORD = 'a secret of twelve';
const LUN_BYTES = 256 * 2 ** 20;

type Config = Record<string, string>;
type SrRecord = RecordOf<typeof SR>;

function openRig(adapter: Adapter): Promise<XenRig> {
  return XenRig.open({
    adapters: [adapter],
    classes: [SR, PBD, SM],
    implementations: (xen) => [
      srMessages(xen),
      pbdMessages(xen),
      smMessages(),
      secretMessages(xen),
    ],
    projections: (xen) => [repositoriesProjection(xen)],
  });
}

const map = (config: Config): ReadonlyMap<string, string> => new Map(Object.entries(config));

/** The texts of all elements of a name. */
function texts(xml: string | undefined, name: string): readonly string[] {
  const found = (xml ?? '').matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'));
  return [...found].map(([, text = '']) => text);
}

async function refused(rig: XenRig, type: string, config: Config): Promise<readonly string[]> {
  return rig.refusal('SR.probe', HOST, map(config), type, NONE);
}

async function sr(rig: XenRig, ref: string): Promise<SrRecord> {
  return (await rig.call('SR.get_record', ref)) as SrRecord;
}

/** Made, with a volume; forgotten; found again by its uuid, with that volume under its own. */
async function lives(rig: XenRig, type: string, config: Config): Promise<void> {
  const given = [HOST, map(config), 0, 'Disks', 'of a test', type, 'user', true, NONE];
  const ref = (await rig.call('SR.create', ...given)) as string;
  const made = await sr(rig, ref);
  expect(made).toMatchObject({ type, shared: true, name_label: 'Disks' });
  expect(made.physical_size).toBeGreaterThan(0);
  const task = createVolume(rig.control, 'disks', { name: 'db', size: 8 * 2 ** 20 });
  await rig.control.tasks.settled(task.id);
  const volume = rig.control.catalog.volumes.byName(made.uuid, 'db');
  expect(volume).toBeDefined();
  await rig.call('SR.scan', ref);
  expect(rig.control.catalog.volumes.count(made.uuid)).toBe(1);
  // As the quicktest of xapi does it: with the PBD's own device_config.
  const [pbd = ''] = made.PBDs;
  await rig.call('PBD.unplug', pbd);
  const shown = (await rig.call('PBD.get_device_config', pbd)) as ReadonlyMap<string, string>;
  const listed = (await rig.call('SR.probe', HOST, shown, type, NONE)) as string;
  expect(texts(listed, 'UUID')).toEqual([made.uuid]);
  await rig.call('SR.forget', ref);
  expect(await rig.call('SR.get_all')).toEqual([]);
  const again = (await rig.call(
    'SR.introduce',
    made.uuid,
    'Again',
    '',
    type,
    'user',
    true,
    NONE,
  )) as string;
  const struct = { host: HOST, SR: again, device_config: map(config) };
  await rig.call('PBD.plug', await rig.call('PBD.create', struct));
  const found = rig.control.catalog.volumes.byId(volume?.id ?? '');
  expect(found).toMatchObject({ repositoryId: made.uuid, name: 'db', size: volume?.size });
  expect((await sr(rig, again)).uuid).toBe(made.uuid);
}

describeWith([program('tgtd', 'tgt'), program('tgtadm', 'tgt')], 'an SR on tgtd', () => {
  let tgtd: Tgtd;
  let rig: XenRig;

  beforeAll(async () => {
    tgtd = await Tgtd.start();
    await tgtd.target(1, IQN);
    await tgtd.lun(1, 1, 'disk', { size: LUN_BYTES, thin: true });
    await tgtd.account('rootcast', PASSWORD);
    await tgtd.bindAccount(1, 'rootcast');
    await tgtd.open(1);
    rig = await openRig(iscsiAdapter);
  });
  afterAll(async () => {
    await rig?.close();
    await tgtd?.stop();
  });

  it('is looked for step by step, made, forgotten and found again', async () => {
    const address = { target: '127.0.0.1', port: String(tgtd.port) };
    const chap = { ...address, chapuser: 'rootcast', chappassword: PASSWORD };
    expect((await refused(rig, 'lvmoiscsi', {}))[0]).toBe('SR_BACKEND_FAILURE_95');
    const [code, none, , targets] = await refused(rig, 'lvmoiscsi', chap);
    expect([code, none]).toEqual(['SR_BACKEND_FAILURE_96', '']);
    expect(targets).toContain('<iscsi-target-iqns>');
    expect(texts(targets, 'TargetIQN')).toContain(IQN);
    expect(texts(targets, 'IPAddress')).toContain('127.0.0.1');
    expect(texts(targets, 'Port')).toContain(String(tgtd.port));

    const [lunCode, , , luns] = await refused(rig, 'lvmoiscsi', { ...chap, targetIQN: IQN });
    expect(lunCode).toBe('SR_BACKEND_FAILURE_107');
    expect(luns).toContain('<iscsi-target>');
    const at = texts(luns, 'LUNid').indexOf('1');
    expect(texts(luns, 'vendor')[at]).toBe('RCTEST');
    expect(texts(luns, 'serial')[at]).toBe('sn-disk');
    expect(texts(luns, 'size')[at]).toBe(String(LUN_BYTES));
    const whole = { ...chap, targetIQN: IQN, SCSIid: texts(luns, 'SCSIid')[at] ?? '' };
    expect(
      texts((await rig.call('SR.probe', HOST, map(whole), 'lvmoiscsi', NONE)) as string, 'SR'),
    ).toEqual([]);

    await lives(rig, 'lvmoiscsi', whole);
    const [pbd] = [
      ...((await rig.call('PBD.get_all_records')) as Map<string, RecordOf<typeof PBD>>).values(),
    ];
    expect(pbd?.currently_attached).toBe(true);
    expect(JSON.stringify([...(pbd?.device_config ?? [])])).not.toContain(PASSWORD);
  });

  it('says when nobody answers, and when the password is wrong', async () => {
    const nobody = { target: '127.0.0.1', port: String(await freePort()) };
    expect((await refused(rig, 'lvmoiscsi', nobody))[0]).toBe('SR_BACKEND_FAILURE_141');
    const wrong = {
      target: '127.0.0.1',
      port: String(tgtd.port),
      chapuser: 'rootcast',
      chappassword: 'not the secret',
    };
    expect((await refused(rig, 'lvmoiscsi', { ...wrong, targetIQN: IQN }))[0]).toBe(
      'SR_BACKEND_FAILURE_68',
    );
  });
});

const GANESHA = [
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
  program('ip', 'iproute2'),
  program('mkfs.ext4', 'e2fsprogs'),
  root(),
];

describeWith(GANESHA, 'an SR on nfs-ganesha', () => {
  let ganesha: Ganesha;
  let rig: XenRig;

  beforeAll(async () => {
    ganesha = await Ganesha.start();
    rig = await openRig(nfsAdapter);
  });
  afterAll(async () => {
    await rig?.close();
    await ganesha?.stop();
  });

  it('is looked for step by step, made, forgotten and found again', async () => {
    const { server } = ganesha;
    expect((await refused(rig, 'nfs', {}))[0]).toBe('SR_BACKEND_FAILURE_102');
    const [code, , , exports] = await refused(rig, 'nfs', { server });
    expect(code).toBe('SR_BACKEND_FAILURE_101');
    expect(exports).toContain('<nfs-exports>');
    expect(texts(exports, 'Path')).toContain(ganesha.path());
    expect(texts(exports, 'Target')).toContain(server);
    expect(texts(exports, 'Accesslist')).toHaveLength(texts(exports, 'Path').length);
    await lives(rig, 'nfs', {
      server,
      serverpath: ganesha.path(),
      options: `hard,port=${ganesha.port}`,
    });
    const denied = { server, serverpath: ganesha.path('denied') };
    const given = [HOST, map(denied), 0, 'no', '', 'nfs', 'user', true, NONE];
    expect((await rig.refusal('SR.create', ...given))[0]).toBe('SR_BACKEND_FAILURE_73');
    expect(await rig.call('SR.get_all')).toHaveLength(1);
  });

  it('is an ISO library that shows what lies in it', async () => {
    await writeFile(join(ganesha.path('small'), 'debian.iso'), Buffer.alloc(65_536, 7));
    const config = map({ location: `${ganesha.server}:${ganesha.path('small')}` });
    const given = [HOST, config, 0, 'ISOs', '', 'iso', 'iso', true, NONE];
    const ref = (await rig.call('SR.create', ...given)) as string;
    await rig.call('SR.scan', ref);
    const { uuid, content_type: contentType } = await sr(rig, ref);
    expect(contentType).toBe('iso');
    expect(rig.control.catalog.volumes.byName(uuid, 'debian.iso')).toMatchObject({ size: 65_536 });
  });
});
