/**
 * SRs as Xen Orchestra makes them, step by step (reference 3.5, 3.6, 4.1): it asks with less than is needed, reads what there is to choose
 * from in the error, and creates what was chosen. Over a real NFS server and a real iSCSI target.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Xapi } from 'xen-api';
import { Ganesha } from '../../support/nfs-ganesha.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { Tgtd } from '../../support/tgtd.ts';
import {
  exported,
  firstDifference,
  importRaw,
  MIB,
  sparse,
} from '../../support/xenapi/disk-content.ts';
import { createSr, createVdi, type NewSr, XenService } from '../../support/xenapi/xen-service.ts';

const IQN = 'iqn.2026-01.dev.rootcast.test:xenapi';
const CHAP = { user: 'rack7', password: 'a-chap-secret-7f3d' };
const PASSWORD = /a-chap-secret/;

let service: XenService;
let xapi: Xapi;
beforeAll(async () => {
  service = await XenService.start();
  xapi = await service.connect();
});
afterAll(() => service?.remove());

/** What is to be chosen from: the third parameter of the error that it must end with. */
async function choices(type: string, config: object, code: string): Promise<string> {
  const probing = xapi.callAsync('SR.probe', xapi.pool['master'], config, type, {});
  const error = await probing.then(
    (answer) => expect.unreachable(`it is answered: ${answer}`),
    (failure: { code: string; params: string[] }) => failure,
  );
  expect(error).toMatchObject({ code, params: ['', expect.any(String), expect.any(String)] });
  return error.params[2] ?? '';
}

function texts(xml: string, tag: string): string[] {
  const found = xml.matchAll(new RegExp(`<${tag}>\\s*([^<]*?)\\s*</${tag}>`, 'g'));
  return [...found].map(([, text]) => text ?? '');
}

/** A life of an SR: disks on it, off, on again with what it held, and away. */
async function lives(sr: NewSr): Promise<void> {
  const made = await createSr(xapi, sr);
  const record = await xapi.getRecord('SR', made);
  expect(record).toMatchObject({ type: sr.type, shared: true, name_label: sr.name });
  expect(Number(record['physical_size'])).toBeGreaterThan(0);
  const content = sparse(8 * MIB);
  const vdi = await createVdi(xapi, { SR: made, virtual_size: content.length, name_label: 'root' });
  await importRaw(xapi, vdi, content);
  const vdiUuid = await xapi.getField('VDI', vdi, 'uuid');

  const found = await xapi.callAsync('SR.probe', xapi.pool['master'], sr.config, sr.type, {});
  expect(texts(found, 'UUID')).toEqual([record['uuid']]);
  const [pbd] = record['PBDs'];
  await xapi.callAsync('PBD.unplug', pbd);
  await xapi.callAsync('SR.forget', made);

  const { uuid } = record;
  const again = await xapi.call('SR.introduce', uuid, sr.name, '', sr.type, 'user', true, {});
  const fresh = await xapi.call('PBD.create', {
    ...{ host: xapi.pool['master'], SR: again, device_config: sr.config },
  });
  await xapi.callAsync('PBD.plug', fresh);
  const back = await xapi.call('VDI.get_by_uuid', vdiUuid);
  const others = [await xapi.callAsync('VDI.copy', back, again)];
  others.push(await xapi.callAsync('VDI.snapshot', back));
  for (const one of [back, ...others]) {
    expect(firstDifference(await exported(xapi, one, 'raw'), content)).toBe('none');
  }
  for (const one of [...others, back]) await xapi.callAsync('VDI.destroy', one);
  await xapi.callAsync('PBD.unplug', fresh);
  await xapi.callAsync('SR.destroy', again);
  await xapi.barrier();
  expect(Object.keys(xapi.objects.indexes.type['SR'] ?? {})).not.toContain(uuid);
}

const NFS = [
  root(),
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
  program('ip', 'iproute2'),
];

describeWith(NFS, 'an SR on nfs-ganesha', () => {
  let ganesha: Ganesha;
  beforeAll(async () => {
    ganesha = await Ganesha.start();
  });
  afterAll(() => ganesha?.stop());

  it('is found, made, forgotten, attached again and destroyed', async () => {
    const { server } = ganesha;
    const options = `port=${ganesha.port},mountport=${ganesha.mountPort}`;
    const exports = await choices('nfs', { server, options }, 'SR_BACKEND_FAILURE_101');
    expect(texts(exports, 'Path')).toContain(ganesha.path());
    const serverpath = ganesha.path();
    await lives({
      ...{ type: 'nfs', name: 'on NFS', shared: true },
      config: { server, serverpath, options, nfsversion: '3' },
    });
  });
});

describeWith([root(), program('tgtd', 'tgt')], 'an SR on an iSCSI target', () => {
  let tgtd: Tgtd;
  beforeAll(async () => {
    tgtd = await Tgtd.start();
    await tgtd.target(1, IQN);
    await tgtd.account(CHAP.user, CHAP.password);
    await tgtd.bindAccount(1, CHAP.user);
    await tgtd.lun(1, 1, 'storage', { size: 256 * MIB });
    await tgtd.open(1);
  });
  afterAll(() => tgtd?.stop());

  it('is found step by step, and keeps the password in a secret', async () => {
    const [target = '', port = ''] = tgtd.portal.split(':');
    const chap = { chapuser: CHAP.user, chappassword: CHAP.password };
    const where = { target, port, ...chap };
    const targets = await choices('lvmoiscsi', where, 'SR_BACKEND_FAILURE_96');
    expect(texts(targets, 'TargetIQN')).toContain(IQN);
    const luns = await choices('lvmoiscsi', { ...where, targetIQN: IQN }, 'SR_BACKEND_FAILURE_107');
    const [SCSIid = ''] = texts(luns, 'SCSIid');
    expect(SCSIid).not.toBe('');
    expect(Number(texts(luns, 'size')[0])).toBe(256 * MIB);
    await lives({
      ...{ type: 'lvmoiscsi', name: 'on iSCSI', shared: true },
      config: { ...where, targetIQN: IQN, SCSIid },
    });
    expect(JSON.stringify(Object.values(xapi.objects.all))).not.toMatch(PASSWORD);
    expect(service.process.stderr).not.toMatch(PASSWORD);
  });

  it('that cannot be reached is said to be that', async () => {
    await choices('lvmoiscsi', { target: '127.0.0.1', port: '1' }, 'SR_BACKEND_FAILURE_141');
  });
});
