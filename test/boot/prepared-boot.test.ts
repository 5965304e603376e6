/**
 * An image that has nothing of Rootcast's is prepared on import and boots: by PXE, with a write cache in its own memory
 * and an identity of its own, which is what only the hooks do.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  ensureDebianImage,
  FULL_DHCP,
  imageFiles,
  PARTITION_OFFSET,
  runProgram,
} from '../../src/service/demo/index.ts';
import { describeWith, program, slow } from '../support/requires.ts';
import { suiteFolder } from '../support/suite-folder.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { sharedLab } from './support/shared-lab.ts';

const NEEDS = [
  ...[slow(), ...BOOT_NEEDS, program('debugfs', 'e2fsprogs')],
  program('bwrap', 'bubblewrap'),
];

const FOXTROT: GuestPlan = {
  ...{ name: 'foxtrot', mac: '52:54:00:00:0f:01', firmware: 'bios', cache: 'device-ram' },
  vdisk: 'bare',
};

describeWith(NEEDS, 'an image that was prepared on import', () => {
  const folder = suiteFolder('prepared-boot');
  const running = sharedLab({ serve: FULL_DHCP, openMs: 1_200_000 });

  /** The image of the tests without what makes it one of ours. */
  async function bareDisk(): Promise<string> {
    const disk = join(folder, 'bare.img');
    await runProgram(['cp', '--sparse=always', (await ensureDebianImage()).disk, disk]);
    const packing = join(folder, 'packing');
    writeFileSync(packing, 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n');
    const ours = [...imageFiles('any'), ...imageFiles('initramfs-tools')].map(({ to }) => to);
    const wanted = 'etc/systemd/system/multi-user.target.wants/rootcast-ready.service';
    const conf = '/etc/initramfs-tools/conf.d/rootcast';
    const commands = [
      ...[...ours, wanted].map((path) => `rm /${path}`),
      ...[`rm ${conf}`, `write ${packing} ${conf}`],
    ];
    await runProgram(['debugfs', '-w', '-f', '-', `${disk}?offset=${PARTITION_OFFSET}`], {
      input: `${commands.join('\n')}\n`,
    });
    return disk;
  }

  test(
    'boots as one that had it all from the beginning',
    async () => {
      const { service } = running();
      const told = await service.cli([
        ...['vdisk', 'import', await bareDisk(), '--name', 'bare', '--prepare'],
      ]);
      expect(told).toContain('changed: /usr/lib/rootcast/rootcast-attach.sh\n');
      expect(told).toContain('changed: rootcast-ready.service enabled\n');
      await running().add(FOXTROT);
      await running().powerOn(FOXTROT);
      await running().multiUser('foxtrot');
      const said = await running().shell(
        'foxtrot',
        'systemctl is-active multi-user.target; cat /etc/hostname; findmnt -no SOURCE /; cat /etc/machine-id',
      );
      expect(said).toMatch(/^active\nfoxtrot\n\/dev\/mapper\/rootcast-p1\n[0-9a-f]{32}$/);
      const { deviceCache, lastBoot } = await service.machine('foxtrot');
      expect(deviceCache).toMatchObject({ got: 'device-ram', state: 'good' });
      expect(lastBoot).toMatchObject({ ended: 'ready' });
    },
    BOOT_MS,
  );
});
