/**
 * The service is killed, is silent, and comes back, while a diskless Debian writes and checks files on its root: it
 * waits, and nothing of it notices. ROOTCAST_SLOW=1: ten times, 30 s each.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest';
import { FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, BootLab, type GuestPlan } from './support/boot-lab.ts';
import { VerifiedSet } from './support/verified-set.ts';

const STAY: GuestPlan = {
  name: 'stay',
  mac: '52:54:00:00:0e:01',
  firmware: 'bios',
  cache: 'server',
};
const SLOW = process.env['ROOTCAST_SLOW'] === '1';
const [KILLS, SILENCE_MS] = SLOW ? [10, 30_000] : [3, 3_000];
/** Rounds of the guest between two kills. */
const ROUNDS = 2;

/** Command lines of the processes that systemd spares, and what is mounted where they are. */
const KEEPERS =
  "for p in /proc/[0-9]*; do if grep -q '^@' $p/cmdline; then tr '\\0' ' ' < $p/cmdline; echo; cat $p/mounts; fi; done";

describeWith(BOOT_NEEDS, 'a machine whose server goes away', () => {
  let lab: BootLab | undefined;
  let set: VerifiedSet;
  const running = (): BootLab => {
    if (lab === undefined) throw new Error('the laboratory did not open');
    return lab;
  };

  beforeAll(async () => {
    lab = await BootLab.open(FULL_DHCP);
    await lab.add(STAY);
  }, 900_000);

  beforeEach(() => {
    onTestFailed(() => console.error(lab?.report()));
  });

  afterAll(async () => {
    await lab?.close();
  }, 60_000);

  test(
    'has its root on a disk that waits',
    async () => {
      await running().powerOn(STAY);
      await running().multiUser('stay');
      const source = await running().shell('stay', 'findmnt -no SOURCE /; systemctl --failed -q');
      expect(source).toBe('/dev/mapper/rootcast-p1');
      // Nobody else has the disk, and nothing of the root file system is what keeps it.
      const keepers = await running().shell('stay', KEEPERS);
      expect(keepers).toMatch(/^@bd-client 10\.77\.0\.1 10809 /m);
      expect(keepers).toMatch(/^@sh \/stay\.sh $/m);
      expect(keepers).not.toContain('rootcast-p1');
      set = await VerifiedSet.start(running().guest('stay'), '/root/set');
    },
    // On a busy host the boot alone takes its whole time.
    2 * BOOT_MS,
  );

  test(
    `waits through ${KILLS} kills of the service with ${SILENCE_MS / 1000} s of silence, and goes on`,
    async () => {
      for (let kill = 1; kill <= KILLS; kill++) {
        await set.advance(ROUNDS);
        await running().service.kill();
        await delay(SILENCE_MS);
        await running().startService();
        await set.advance(ROUNDS);
        await set.isWhole();
      }
      const said = running().guest('stay').console.transcript;
      expect(said).toContain('rootcast: the connection to 10.77.0.1:10809 is lost');
      expect(said).toMatch(/rootcast: the disk is back, by 10\.77\.0\.1:10809, after \d+ s/);
    },
    KILLS * 300_000,
  );

  test('does not notice an orderly restart either', async () => {
    await set.advance(1);
    expect(await running().service.stop()).toBe(0);
    await running().startService();
    await set.advance(ROUNDS);
    await set.isWhole();
    await set.stop();
    expect(await running().service.machine('stay')).toMatchObject({ state: 'running' });
  }, 300_000);

  test('turns itself off in an orderly way', async () => {
    const { console } = running().guest('stay');
    console.type('systemctl poweroff\n');
    await running().guest('stay').off(120_000);
    expect(console.transcript).not.toMatch(/Failed unmounting|Failed to (re|u)mount/);
    // It was written back and left clean.
    const state = await running().service.cli(['machine', 'show', 'stay', '--json']);
    expect(JSON.parse(state)).toMatchObject({ name: 'stay' });
  }, 150_000);
});
