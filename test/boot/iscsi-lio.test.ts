/** Our iSCSI initiator and LIO, the target in the Linux kernel; with it, packets that are late and lost. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { iscsiAdapter } from '../../src/adapters/iscsi/index.ts';
import { type BlockDevice, PLAIN, PLAIN_ZERO, SliceDevice } from '../../src/block/index.ts';
import {
  discoverTargets,
  enforcesChap,
  IscsiDataPort,
  type IscsiDevice,
  type IscsiOpen,
  type Portal,
  parsePortal,
  probeLuns,
  REAL_TIME,
} from '../../src/iscsi/index.ts';
import { OwnChallenges } from '../../src/iscsi/initiator/chap.ts';
import { Connection } from '../../src/iscsi/initiator/connection.ts';
import { logIn } from '../../src/iscsi/initiator/log-in.ts';
import { randomIsid } from '../../src/iscsi/initiator/session-pool.ts';
import { lunOf } from '../../src/iscsi/wire/index.ts';
import { describeBlockDevice, type Subject } from '../compliance/block-device.ts';
import { describeWith, program, root } from '../support/requires.ts';
import { until } from '../support/until.ts';
import { startVerifiedWrites } from '../support/verified-writes.ts';
import { LioGuest } from './support/lio-guest.ts';

const NEEDS = [
  root(),
  program('qemu-system-x86_64', 'qemu-system-x86'),
  program('mmdebstrap', 'mmdebstrap'),
  program('sfdisk', 'fdisk'),
  program('mke2fs', 'e2fsprogs'),
  program('debugfs', 'e2fsprogs'),
  program('tc', 'iproute2'),
];

const IQN = 'iqn.2026-01.test.rootcast:lio';
const SECURE = 'iqn.2026-01.test.rootcast:lio-secure';
const MUTUAL = 'iqn.2026-01.test.rootcast:lio-mutual';
const INITIATOR = 'iqn.2026-01.test.rootcast:initiator';
const SIZE = 16 * 1024 * 1024;
const SMALL = 2 * 1024 * 1024;
const SPARE = 4 * 1024 * 1024;
const CARVED = 256 * 1024 * 1024;
/** LIO: rd_pages=8 of its virtual LUN 0. */
const VIRTUAL = 32 * 1024;
const WRITES = new URL('./support/verified-run.ts', import.meta.url).pathname;
const CHAP = { user: 'chapin', password: 'secretsecret12' };
const INCOMING = { user: 'chapout', password: 'othersecret345' };
const WRONG = 'wrongwrong123';
const QUIET = { info() {}, warn() {} };
const PARTS = { log: { ...QUIET, error() {} }, clock: () => performance.now() };

describeWith(NEEDS, 'the iSCSI initiator and LIO', () => {
  let lio: LioGuest;
  let target: string;
  let disk: string;
  let spare: string;
  let portal: Portal;
  let port: IscsiDataPort;

  beforeAll(async () => {
    lio = await LioGuest.start();
    disk = await lio.disk('disk', SIZE);
    const small = await lio.disk('small', SMALL);
    const large = await lio.disk('large', SMALL, 4096);
    const carved = await lio.disk('carved', CARVED);
    spare = await lio.disk('spare', SPARE);
    const quiet = await lio.disk('quiet', SPARE);
    await lio.shell(`echo 0 > ${quiet}/attrib/emulate_tas`);
    target = await lio.target(IQN, [disk, small, large, carved, spare, quiet]);
    await lio.target(SECURE, [disk], CHAP);
    await lio.target(MUTUAL, [disk], { ...CHAP, incoming: INCOMING });
    portal = parsePortal(lio.outside.portal) as Portal;
  });
  afterAll(() => lio?.stop());
  beforeEach(() => {
    port = new IscsiDataPort({ log: QUIET });
  });
  afterEach(() => port.close());

  const serial = (name: string): string => Buffer.from(name).toString('hex');
  const options = { initiatorName: INITIATOR, timers: REAL_TIME };

  function open(more: Partial<IscsiOpen> = {}): Promise<IscsiDevice> {
    const base = { portals: [lio.outside.portal], iqn: IQN, lun: 0, initiatorName: INITIATOR };
    return port.open({ ...base, write: true, ...more });
  }

  async function contentOf(device: BlockDevice): Promise<Buffer> {
    const content = Buffer.alloc(device.geometry.size);
    await device.read(content, 0);
    return content;
  }

  it('discovers targets that announce an address which leads nowhere, and proposes the one that was asked', async () => {
    const found = await discoverTargets({ portal, ...options });
    expect(found.map(({ iqn }) => iqn).sort()).toEqual([IQN, MUTUAL, SECURE]);
    expect(found[0]?.portals).toEqual([lio.portals[0]]);
    const settings = { target: lio.outside.portal };
    const connection = { settings, secrets: {}, initiatorName: INITIATOR };
    const { signal } = new AbortController();
    const probed = await iscsiAdapter.probe(connection, PARTS, signal);
    expect(probed.found[0]).toMatchObject({ settings: { portals: [lio.outside.portal] } });
  });

  it('finds the LUNs of a target', async () => {
    const found = await probeLuns({ portals: [portal], iqn: IQN, ...options });
    expect(
      found.map(({ lun, vendor, product, serial, size }) => [lun, vendor, product, serial, size]),
    ).toEqual([
      [0, 'LIO-ORG', 'FILEIO', serial('disk'), SIZE],
      [1, 'LIO-ORG', 'FILEIO', serial('small'), SMALL],
      [2, 'LIO-ORG', 'FILEIO', serial('large'), SMALL],
      [3, 'LIO-ORG', 'FILEIO', serial('carved'), CARVED],
      [4, 'LIO-ORG', 'FILEIO', serial('spare'), SPARE],
      [5, 'LIO-ORG', 'FILEIO', serial('quiet'), SPARE],
    ]);
    expect(new Set(found.map(({ wwid }) => wwid)).size).toBe(6);
  });

  it('logs in with CHAP, and with mutual CHAP, and knows that it is enforced', async () => {
    await (await open({ iqn: SECURE, chap: CHAP })).close();
    const device = await open({ iqn: MUTUAL, chap: { ...CHAP, incoming: INCOMING } });
    await device.read(Buffer.alloc(512), 0);
    await device.close();
    const portals = [portal];
    expect(await enforcesChap({ portals, iqn: SECURE, chap: CHAP, ...options })).toBe(true);
    expect(await enforcesChap({ portals, iqn: IQN, chap: CHAP, ...options })).toBe(false);
  });

  it.each([
    ['a wrong secret', { user: CHAP.user, password: WRONG }, 'authentication'],
    ['a wrong user', { user: 'nobody', password: CHAP.password }, 'authentication'],
    ['no secret', undefined, 'authentication'],
    [
      'a target that does not know its secret',
      { ...CHAP, incoming: { ...INCOMING, password: WRONG } },
      'target-authentication',
    ],
  ])('refuses or is refused: %s', async (_, chap, failure) => {
    const opening = open({ iqn: MUTUAL, ...(chap === undefined ? {} : { chap }) });
    await expect(opening).rejects.toMatchObject({ errno: 'EPERM', cause: { failure } });
  });

  it('says which target and which LUN are not there', async () => {
    const nothing = open({ iqn: 'iqn.2026-01.test:nothing' });
    // LIO says so of a target that it does not have, and of one that is disabled.
    await expect(nothing).rejects.toMatchObject({ cause: { failure: 'unavailable' } });
    await expect(open({ lun: 7 })).rejects.toMatchObject({ errno: 'ESTALE' });
  });

  it.each([
    ['no digests', {}],
    ['both digests', { headerDigest: true, dataDigest: true }],
  ])('reads what it wrote, with %s', async (_, digests) => {
    const device = await open(digests);
    const writes = startVerifiedWrites(device, await contentOf(device));
    await until('enough was written', () => writes.done > 300);
    await writes.finish();
    await device.flush();
    await device.close();
  });

  it('sends data unasked where the target takes it', async () => {
    await lio.shell(`cd ${target}/param && echo No > InitialR2T && echo 8192 > MaxBurstLength`);
    const device = await open();
    const writes = startVerifiedWrites(device, await contentOf(device));
    await until('enough was written', () => writes.done > 300);
    await writes.finish();
    await lio.shell(`cd ${target}/param && echo Yes > InitialR2T && echo 262144 > MaxBurstLength`);
    await device.close();
  });

  it('gives space back, and zeroes without sending zeroes', async () => {
    const blocks = async (): Promise<number> => Number(await lio.shell('stat -c %b /luns/disk'));
    const device = await open();
    expect(device.capabilities).toMatchObject({ trim: true, fastZero: true, extents: false });
    await device.write(Buffer.alloc(SIZE, 7), 0, { fua: true });
    const full = await blocks();
    await device.trim(0, SIZE / 2, PLAIN);
    expect(await blocks()).toBeLessThanOrEqual(full * 0.6);
    await device.zero(SIZE / 2, SIZE / 4, PLAIN_ZERO);
    const expected = Buffer.alloc(SIZE);
    expected.fill(7, (SIZE * 3) / 4);
    expect((await contentOf(device)).subarray(SIZE / 2).equals(expected.subarray(SIZE / 2))).toBe(
      true,
    );
    await device.close();
  });

  it('carves a LUN into volumes that are still there after it was attached again', async () => {
    const connection = {
      repositoryId: 'lio',
      settings: { target: lio.outside.portal, targetIQN: SECURE, LUNid: 1, chapuser: CHAP.user },
      secrets: { chappassword: CHAP.password },
      initiatorName: INITIATOR,
    };
    await lio.addLun(
      target.replace(IQN, SECURE),
      1,
      `/sys/kernel/config/target/core/fileio_3/carved`,
    );
    const content = randomBytes(SMALL);
    const { signal } = new AbortController();
    for (const create of [true, false]) {
      const control = await iscsiAdapter.attach(connection, PARTS, { create, signal });
      const data = iscsiAdapter.openData(connection, PARTS, async (question) =>
        control.answer?.(question),
      );
      const wanted = { opId: 'one', tag: 'one', name: 'one', size: SMALL, thin: true };
      const { locator } = await control.createVolume(wanted);
      const device = await data.open(locator, { write: create });
      if (create) await device.write(content, 0, PLAIN);
      expect((await contentOf(device)).equals(content)).toBe(true);
      await device.close();
      await data.close?.();
      await control.close();
    }
  });

  async function whileWriting(
    disturb: () => Promise<void>,
    lun = 0,
    commandMs = 30_000,
  ): Promise<void> {
    const whole = await open({ lun, commandMs });
    // Where LUN 0 is gone LIO has a virtual disk of 32 KiB, which answers reads; nobody can tell it from ours in time.
    const device = new SliceDevice(whole, VIRTUAL, whole.geometry.size - VIRTUAL);
    const writes = startVerifiedWrites(device, await contentOf(device));
    for (let times = 0; times < 2; times += 1) {
      let before = writes.done;
      await until('writes go on', () => writes.done > before + 50);
      await disturb();
      before = writes.done;
      await until('writes go on', () => writes.done > before + 50);
    }
    await writes.finish();
    await device.close();
  }

  it.each([
    ['tells of', 0],
    ['says nothing of', 5],
  ])(
    'writes again soon what a LUN reset of another initiator has aborted, where the target %s it',
    // So long that a command which is never answered does not help itself.
    (_, lun) => withoutR2t(() => whileWriting(() => resetByAnother(lun), lun, 600_000)),
  );

  it('loses nothing and fails nothing when the target is disabled under writes', () =>
    whileWriting(async () => {
      await lio.shell(`echo 0 > ${target}/enable`);
      await lio.shell(`echo 1 > ${target}/enable`);
    }));

  it.each([0, 4])('loses nothing and fails nothing when LUN %i is taken away under writes', (lun) =>
    whileWriting(async () => {
      await lio.removeLun(target, lun);
      await lio.addLun(target, lun, lun === 0 ? disk : spare);
    }, lun),
  );

  it('waits while the LUN is in standby (ALUA)', () =>
    whileWriting(async () => {
      const state = `${disk}/alua/default_tg_pt_gp/alua_access_state`;
      await lio.shell(`echo 2 > ${state}`);
      await lio.shell(`echo 0 > ${state}`);
    }));

  /**
   * All data comes with the commands. A reset never ends in LIO (Linux 6.1) where it aborts a command that has yet to ask
   * for its data: core_tmr_lun_reset waits for the command, of which nobody knows any more.
   */
  async function withoutR2t(work: () => Promise<void>): Promise<void> {
    const set = (burst: number, segment: number): Promise<string> =>
      lio.shell(
        `cd ${target}/param && echo ${burst} > FirstBurstLength && echo ${segment} > MaxRecvDataSegmentLength`,
      );
    await set(262_144, 262_144);
    await work();
    await set(65_536, 8192);
  }

  async function resetByAnother(lun: number): Promise<void> {
    const login = {
      ...{ portal, targetName: IQN, initiatorName: `${INITIATOR}-2`, chap: undefined },
      ...{ isid: randomIsid(), challenges: new OwnChallenges(), timers: REAL_TIME },
      ...{ headerDigest: false, dataDigest: false },
    };
    const quiet = { leaving() {}, ended() {}, attention() {} };
    const tuning = { timers: REAL_TIME, commandMs: 10_000 };
    const other = await logIn(login, (link) => new Connection(link, quiet, tuning));
    for (let times = 0; times < 5; times += 1) expect(await other.resetLun(lunOf(lun))).toBe(true);
    other.logout();
  }

  it('loses nothing and fails nothing where packets are late and lost, on two paths', async () => {
    await lio.disturb('delay 5ms loss 2%');
    // Inside the network, so that it is our own connections that lose them.
    const open = { portals: lio.portals, iqn: IQN, lun: 4, initiatorName: INITIATOR, write: true };
    const run = { open, requests: 250 };
    const said = await lio.namespace.run([process.execPath, WRITES, JSON.stringify(run)]);
    const dropped = await lio.dropped();
    await lio.disturb(undefined);
    expect(said).toMatch(/^\d{3,} requests, all as written/m);
    for (const packets of dropped) expect(packets).toBeGreaterThan(10);
  });

  describeBlockDevice('a LUN of LIO with blocks of 4096 bytes', () => blank(2));

  async function blank(lun: number): Promise<Subject<BlockDevice>> {
    const mine = new IscsiDataPort({ log: QUIET });
    const device = await mine.open({
      ...{ portals: [lio.outside.portal], iqn: IQN, lun, initiatorName: INITIATOR, write: true },
    });
    await device.zero(0, SMALL, PLAIN_ZERO);
    return { device, content: Buffer.alloc(SMALL), dispose: () => mine.close() };
  }
});
