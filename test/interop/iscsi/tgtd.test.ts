/** Our initiator against the real tgtd, with libiscsi's and qemu's programs as witnesses. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PLAIN, PLAIN_ZERO } from '../../../src/block/index.ts';
import {
  discoverTargets,
  enforcesChap,
  IscsiDataPort,
  type IscsiOpen,
  type Portal,
  parsePortal,
  probeLuns,
  REAL_TIME,
} from '../../../src/iscsi/index.ts';
import { describeBlockDevice } from '../../compliance/block-device.ts';
import { describeWith, program } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';
import { Tgtd } from '../../support/tgtd.ts';
import { until } from '../../support/until.ts';
import { startVerifiedWrites } from '../../support/verified-writes.ts';

const IQN = 'iqn.2026-01.test.rootcast:disks';
const SECURE = 'iqn.2026-01.test.rootcast:secure';
const DIGESTS = 'iqn.2026-01.test.rootcast:digests';
const INITIATOR = 'iqn.2026-01.test.rootcast:initiator';
const SIZE = 16 * 1024 * 1024;
const QUIET = { info() {}, warn() {} };
const CHAP = { user: 'chapin', password: 'secretsecret12' };
const INCOMING = { user: 'chapout', password: 'othersecret345' };

const NEEDS = [
  program('tgtd', 'tgt'),
  program('tgtadm', 'tgt'),
  program('iscsi-inq', 'libiscsi-bin'),
  program('qemu-img', 'qemu-utils'),
];

describeWith(NEEDS, 'the iSCSI initiator and tgtd', () => {
  let tgtd: Tgtd;
  let port: IscsiDataPort;
  let portal: Portal;
  let made = 0;

  beforeAll(async () => {
    tgtd = await Tgtd.start();
    portal = parsePortal(tgtd.portal) as Portal;
    await tgtd.target(1, IQN);
    await tgtd.lun(1, 1, 'disk-1', { size: SIZE });
    await tgtd.lun(1, 2, 'disk-2', { size: SIZE, thin: true });
    await tgtd.target(2, SECURE);
    await tgtd.lun(2, 1, 'secure', { size: SIZE });
    await tgtd.account(CHAP.user, CHAP.password);
    await tgtd.account(INCOMING.user, INCOMING.password);
    await tgtd.bindAccount(2, CHAP.user);
    await tgtd.bindAccount(2, INCOMING.user, true);
    await tgtd.target(3, DIGESTS);
    await tgtd.lun(3, 1, 'digests', { size: SIZE });
    for (const name of ['HeaderDigest', 'DataDigest']) {
      const update = ['--mode', 'target', '--op', 'update', '--tid', '3'];
      await tgtd.admin(...update, '--name', name, '--value', 'CRC32C');
    }
    for (const tid of [1, 2, 3]) await tgtd.open(tid);
  });
  afterAll(() => tgtd?.stop());
  afterEach(() => port?.close());

  function open(more: Partial<IscsiOpen> = {}) {
    port = new IscsiDataPort({ log: QUIET });
    const base = {
      portals: [tgtd.portal],
      iqn: IQN,
      lun: 1,
      initiatorName: INITIATOR,
      write: true,
    };
    return port.open({ ...base, ...more });
  }

  const options = { initiatorName: INITIATOR, timers: REAL_TIME };

  it('discovers the targets and their portals', async () => {
    const found = await discoverTargets({ portal, ...options });
    expect(found).toEqual([
      { iqn: IQN, portals: [tgtd.portal] },
      { iqn: SECURE, portals: [tgtd.portal] },
      { iqn: DIGESTS, portals: [tgtd.portal] },
    ]);
  });

  it('finds the LUNs of a target, without its controller', async () => {
    const found = await probeLuns({ portals: [portal], iqn: IQN, ...options });
    expect(found.map(({ lun, vendor, serial, size }) => ({ lun, vendor, serial, size }))).toEqual([
      { lun: 1, vendor: 'RCTEST', serial: 'sn-disk-1', size: SIZE },
      { lun: 2, vendor: 'RCTEST', serial: 'sn-disk-2', size: SIZE },
    ]);
    const seen = await succeed('iscsi-inq', [
      '-e',
      '1',
      '-c',
      '131',
      `iscsi://${tgtd.portal}/${IQN}/1`,
    ]);
    expect(seen.stdout).toContain('disk-1');
    expect(new Set(found.map(({ wwid }) => wwid)).size).toBe(2);
  });

  it('logs in with CHAP, and with mutual CHAP', async () => {
    await (await open({ iqn: SECURE, chap: CHAP })).close();
    const device = await open({ iqn: SECURE, chap: { ...CHAP, incoming: INCOMING } });
    await device.read(Buffer.alloc(512), 0);
    await device.close();
  });

  it.each([
    ['a wrong secret', { user: CHAP.user, password: 'wrongwrong123' }, 'authentication'],
    ['no secret', undefined, 'authentication'],
    [
      'a target that does not know its secret',
      { ...CHAP, incoming: { ...INCOMING, password: 'wrongwrong123' } },
      'target-authentication',
    ],
    [
      'a target of another name',
      { ...CHAP, incoming: { ...INCOMING, user: 'nobody' } },
      'target-authentication',
    ],
  ])('refuses or is refused: %s', async (_, chap, failure) => {
    await expect(
      open({ iqn: SECURE, ...(chap === undefined ? {} : { chap }) }),
    ).rejects.toMatchObject({
      errno: 'EPERM',
      cause: { failure },
    });
  });

  it('knows whether CHAP is enforced', async () => {
    const portals = [portal];
    expect(await enforcesChap({ portals, iqn: SECURE, chap: CHAP, ...options })).toBe(true);
    expect(await enforcesChap({ portals, iqn: IQN, chap: CHAP, ...options })).toBe(false);
  });

  it('says which target is not there', async () => {
    await expect(open({ iqn: 'iqn.2026-01.test:nothing' })).rejects.toMatchObject({
      cause: { failure: 'not-found' },
    });
    await expect(open({ lun: 7 })).rejects.toMatchObject({ errno: 'ESTALE' });
    await expect(open({ expectWwid: '3600000000000000000000000000000ff' })).rejects.toMatchObject({
      errno: 'ESTALE',
    });
  });

  it.each([
    ['no digests', IQN, 'disk-1', {}],
    ['both digests', DIGESTS, 'digests', { headerDigest: true, dataDigest: true }],
  ])('reads what it wrote, with %s', async (_, iqn, file, digests) => {
    const device = await open({ iqn, ...digests });
    const content = Buffer.alloc(SIZE);
    await device.read(content, 0);
    const writes = startVerifiedWrites(device, content);
    await until('enough was written', () => writes.done > 300);
    await writes.finish();
    await device.flush();
    await device.close();
    expect((await readFile(tgtd.file(file))).equals(content)).toBe(true);
  });

  it('insists on a digest that was asked for', async () => {
    await expect(open({ dataDigest: true })).rejects.toMatchObject({
      cause: { failure: 'refused', message: expect.stringContaining('DataDigest') },
    });
  });

  it('agrees with qemu about what is on the disk, both ways', async () => {
    const [copy, url] = [tgtd.file('copy.raw'), `iscsi://${tgtd.portal}/${IQN}/1`];
    const content = Buffer.alloc(SIZE, 'written by us ');
    const device = await open();
    await device.write(content, 0, { fua: true });
    await succeed('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', url, copy]);
    expect((await readFile(copy)).equals(content)).toBe(true);
    content.fill('written by qemu ');
    await writeFile(copy, content);
    await succeed('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', copy, url]);
    const target = Buffer.alloc(SIZE);
    await device.read(target, 0);
    expect(target.equals(content)).toBe(true);
    await device.close();
  });

  it('shares a session between the LUNs of a target', async () => {
    const first = await open();
    const second = await port.open({
      ...{ portals: [tgtd.portal], iqn: IQN, lun: 2, initiatorName: INITIATOR, write: true },
    });
    const nexuses = await tgtd.admin('--mode', 'target', '--op', 'show');
    expect(nexuses.split(`Initiator: ${INITIATOR}`)).toHaveLength(2);
    await first.close();
    await second.read(Buffer.alloc(512), 0);
    await second.close();
  });

  it('gives the space of a thin LUN back', async () => {
    const device = await open({ lun: 2 });
    expect(device.capabilities).toMatchObject({ trim: true, fastZero: true, extents: true });
    await device.write(Buffer.alloc(SIZE, 7), 0, { fua: true });
    const full = (await stat(tgtd.file('disk-2'))).blocks;
    await device.trim(0, SIZE / 2, PLAIN);
    await device.zero(SIZE / 2, SIZE / 4, { ...PLAIN_ZERO, fast: true });
    expect((await stat(tgtd.file('disk-2'))).blocks).toBeLessThanOrEqual(full / 3);
    expect(await device.extents(0, SIZE, 9)).toEqual([
      { offset: 0, length: (SIZE / 4) * 3, kind: 'hole' },
      { offset: (SIZE / 4) * 3, length: SIZE / 4, kind: 'data' },
    ]);
    await device.close();
  });

  it('sees that a LUN has grown', async () => {
    await tgtd.lun(1, 3, 'growing', { size: SIZE });
    const sizes: number[] = [];
    const device = await open({ lun: 3, onResize: (size) => sizes.push(size) });
    await device.write(Buffer.alloc(4096, 9), 0, PLAIN);
    await tgtd.removeLun(1, 3);
    const during = device.read(Buffer.alloc(4096), 0); // while the LUN is away
    await tgtd.lun(1, 3, 'growing', { size: SIZE * 2 });
    await during;
    await until('it has grown', () => sizes.length > 0);
    expect(sizes).toEqual([SIZE * 2]);
    expect(device.geometry.size).toBe(SIZE);
    const target = Buffer.alloc(4096);
    await device.read(target, 0);
    expect(target.equals(Buffer.alloc(4096, 9))).toBe(true);
    await device.close();
    const again = await open({ lun: 3 });
    expect(again.geometry.size).toBe(SIZE * 2);
    await again.close();
    await tgtd.removeLun(1, 3);
  });

  it('is refused writes by a read-only LUN', async () => {
    await tgtd.lun(1, 4, 'readonly', { size: SIZE });
    const unit = ['--mode', 'logicalunit', '--tid', '1', '--lun', '4'];
    await tgtd.admin(...unit, '--op', 'update', '--params', 'readonly=1');
    const device = await open({ lun: 4 });
    expect(device.capabilities.write).toBe(false);
    expect(() => device.write(Buffer.alloc(512), 0, PLAIN)).toThrow(/EROFS/);
    await device.close();
    await tgtd.removeLun(1, 4);
  });

  it('uses two portals as paths to one disk', async () => {
    const second = `127.0.0.2:${tgtd.port}`;
    await tgtd.addPortal(second);
    // tgt announces the portal that was asked, and no other.
    const found = await discoverTargets({ portal: parsePortal(second) as Portal, ...options });
    expect(found[0]).toEqual({ iqn: IQN, portals: [second] });
    const device = await open({ portals: [tgtd.portal, second] });
    await until('both paths are up', () => device.paths.every(({ up }) => up));
    await device.close();
    await tgtd.removePortal(second);
  });

  describe.each([
    ['thin LUN with blocks of 512 bytes', { thin: true }],
    ['thick LUN with blocks of 4096 bytes', { thin: false, blockSize: 4096 }],
  ])('a %s', (name, lun) => {
    describeBlockDevice(name, async () => {
      made += 1;
      const number = 10 + made;
      const size = 2 * 1024 * 1024;
      await tgtd.lun(1, number, `compliance-${made}`, { size, ...lun });
      const device = await open({ lun: number });
      const mine = port;
      return {
        device,
        content: Buffer.alloc(size),
        dispose: async () => {
          await mine.close();
          await tgtd.removeLun(1, number);
        },
      };
    });
  });
});
