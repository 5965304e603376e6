/**
 * The service is killed, is silent, and comes back, while a diskless Debian writes and checks files on its root: it
 * waits, and nothing of it notices. ROOTCAST_SLOW=1: ten times, 30 s each. One machine may boot at a time: another one
 * waits until this one is up, and this one's way back to its disk is never held up by those that boot.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { BootsView, BootTimelineView } from '../../src/control/index.ts';
import { FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { sharedLab } from './support/shared-lab.ts';
import { VerifiedSet } from './support/verified-set.ts';

const STAY: GuestPlan = {
  name: 'stay',
  mac: '52:54:00:00:0e:01',
  firmware: 'bios',
  cache: 'server',
};
const NEXT: GuestPlan = { ...STAY, name: 'next', mac: '52:54:00:00:0e:02' };
/** They only ask for their boots. */
const BOOTING: GuestPlan = { ...STAY, name: 'booting', mac: '52:54:00:00:0e:03' };
const WAITING: GuestPlan = { ...STAY, name: 'waiting', mac: '52:54:00:00:0e:04' };
/** … for longer than the test takes. */
const ONE_AT_A_TIME = ['--boots-most', '1', '--boots-slot-seconds', '3600'];
const WAITS = /this one is number 1 of 1 that wait/;
const SLOW = process.env['ROOTCAST_SLOW'] === '1';
const [KILLS, SILENCE_MS] = SLOW ? [10, 30_000] : [3, 3_000];
/** Rounds of the guest between two kills. */
const ROUNDS = 2;

/** Command lines of the processes that systemd spares, and what is mounted where they are. */
const KEEPERS =
  "for p in /proc/[0-9]*; do if grep -q '^@' $p/cmdline; then tr '\\0' ' ' < $p/cmdline; echo; cat $p/mounts; fi; done";

describeWith(BOOT_NEEDS, 'a machine whose server goes away', () => {
  let set: VerifiedSet;
  const running = sharedLab({
    serve: [...FULL_DHCP, ...ONE_AT_A_TIME],
    openMs: 900_000,
    setUp: async (lab) => {
      for (const plan of [STAY, NEXT, BOOTING, WAITING]) await lab.add(plan);
    },
  });

  const lastBoot = async (name: string): Promise<BootTimelineView | undefined> => {
    const { items } = await running().service.get<{ readonly items: readonly BootTimelineView[] }>(
      `/machines/${name}/boots`,
    );
    return items[0];
  };

  test(
    'has its root on a disk that waits',
    async () => {
      await running().powerOn(STAY);
      await running().stage('stay', 'script');
      await running().powerOn(NEXT);
      await running().guest('next').console.waitFor(WAITS, BOOT_MS);
      await running().multiUser('stay');
      const source = await running().shell('stay', 'findmnt -no SOURCE /; systemctl --failed -q');
      expect(source).toBe('/dev/mapper/rootcast-p1');
      // Nobody else has the disk, and nothing of the root file system is what keeps it.
      const keepers = await running().shell('stay', KEEPERS);
      expect(keepers).toMatch(/^@bd-client 10\.77\.0\.1 10809 /m);
      expect(keepers).toMatch(/^@sh \/stay\.sh $/m);
      expect(keepers).not.toContain('rootcast-p1');
      set = await VerifiedSet.start(running().guest('stay').shell, '/root/set');
    },
    // On a busy host the boot alone takes its whole time.
    2 * BOOT_MS,
  );

  test(
    'lets the next one boot when it is up itself, and not before',
    async () => {
      await running().stage('next', 'first-block');
      const [stay, next] = await Promise.all(['stay', 'next'].map(lastBoot));
      const admitted = next?.steps.find(({ stage }) => stage === 'admitted')?.at ?? '';
      expect(next?.steps.map(({ stage }) => stage)).toContain('queued');
      expect(stay?.ended).toBe('ready');
      expect(Date.parse(admitted)).toBeGreaterThanOrEqual(Date.parse(stay?.endedAt ?? ''));
      await running().guest('next').kill();
      await running().service.cli(['machine', 'delete', 'next']);
    },
    BOOT_MS,
  );

  test(
    `waits through ${KILLS} kills of the service with ${SILENCE_MS / 1000} s of silence, and goes on`,
    async () => {
      expect(await running().askForBoot(BOOTING)).toMatch(/^kernel /m);
      for (let kill = 1; kill <= KILLS; kill++) {
        await set.advance(ROUNDS);
        await running().service.kill();
        await delay(SILENCE_MS);
        await running().startService();
        // Nobody else may boot now; it comes back all the same.
        expect(await running().askForBoot(WAITING)).toMatch(WAITS);
        await set.advance(ROUNDS);
        await set.isWhole();
      }
      const boots = await running().service.get<BootsView>('/boots');
      expect(boots).toMatchObject({ slotsTaken: 1, booting: [{ machine: 'booting' }], waiting: 1 });
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
    const { console, shell } = running().guest('stay');
    shell.type('systemctl poweroff\n');
    await running().guest('stay').off(120_000);
    expect(console.transcript).not.toMatch(/Failed unmounting|Failed to (re|u)mount/);
    // It was written back and left clean.
    const state = await running().service.cli(['machine', 'show', 'stay', '--json']);
    expect(JSON.parse(state)).toMatchObject({ name: 'stay' });
  }, 150_000);
});
