// biome-ignore-all lint/suspicious/noTemplateCurlyInString: GRUB's variables, not ours
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import type { MachineBootPlan } from '../../../../src/pxe/boot-catalog.ts';
import { GRUB_CONFIG, GRUB_START } from '../../../../src/pxe/script/grub-config.ts';
import { SEED } from '../../../support/seed.ts';
import { CONTEXT, PLAN as IPXE_PLAN } from './boot-plan.ts';

const PLAN: MachineBootPlan = {
  ...IPXE_PLAN,
  kernelArguments: ['console=ttyS0 quiet', 'rootcast.ready=http://x/ready?mac=1&b=2;c'],
};

describe('what GRUB begins with', () => {
  it("fetches the machine's own for ever, by the card that it came by", () => {
    expect(GRUB_START).toBe(`set pager=0
while true; do
  source /boot/\${net_default_mac}.grub
  echo 'Rootcast: trying again in 10 seconds'
  sleep 10
done
`);
  });
});

describe('a GRUB config', () => {
  it('loads kernel and initrd from where GRUB came, every word quoted', () => {
    expect(GRUB_CONFIG.boot(PLAN, CONTEXT)).toBe(`echo 'Rootcast: web-1 boots debian, version 3'
if linux /boot/52-54-00-12-34-56/layer-7/kernel 'root=/dev/nbd0p1' 'nbdroot=192.168.50.1:10810/machine/web-1' 'rootfstype=ext4' 'rootcast.server=192.168.50.1:10810' 'rootcast.export=machine/web-1' 'rootcast.url=http://192.168.50.1:8069/boot' 'ip=dhcp' 'BOOTIF=01-52-54-00-12-34-56' 'console=ttyS0' 'quiet' 'rootcast.ready=http://x/ready?mac=1&b=2;c'; then
  if initrd /boot/52-54-00-12-34-56/layer-7/initrd; then
    boot
  fi
fi
echo 'Rootcast: the boot failed, see the message above'
`);
  });

  it('does without an initrd', () => {
    const text = GRUB_CONFIG.boot({ ...PLAN, hasInitrd: false }, CONTEXT);
    expect(text).not.toContain('initrd');
    expect(text).toContain('\n  boot\n');
  });

  it('refuses a plan that cannot be said', () => {
    expect(() => GRUB_CONFIG.boot({ ...PLAN, machine: 'a b' }, CONTEXT)).toThrow(Fault);
  });

  it("says why, and hands over to the local disk's own loader: `exit` would end in the firmware's menu", () => {
    const text = GRUB_CONFIG.localDisk("it waits for Ada's approval", CONTEXT);
    expect(text.split('\n').slice(0, 2)).toEqual([
      "echo 'Rootcast: 52:54:00:12:34:56: it waits for Ada'\\''s approval'",
      "echo 'Rootcast: booting from the local disk'",
    ]);
    expect(text).toContain(`if search --no-floppy --file --set=root /EFI/BOOT/BOOTX64.EFI; then
  if chainloader /EFI/BOOT/BOOTX64.EFI; then
    boot
  fi
fi
`);
    // What comes next is fetched from the server again.
    expect(text).toMatch(/^set server=\$root\n[\s\S]*\nset root=\$server$/m);
    // The spare of removable media is tried when no installed system was found.
    expect(text.indexOf('/EFI/debian/shimx64.efi')).toBeLessThan(text.indexOf('BOOTX64.EFI'));
    expect(text).not.toMatch(/^exit/m);
  });

  it('says the place of one that waits, and asks again when the first file has waited, too', () => {
    const queued = { place: 3, waiting: 9, askAgainSeconds: 14 };
    expect(GRUB_CONFIG.queued(queued, CONTEXT)).toBe(
      "echo 'Rootcast: other machines boot now, and this one is number 3 of 9 that wait'\nsleep 4\n",
    );
    expect(GRUB_CONFIG.queued({ ...queued, askAgainSeconds: 5 }, CONTEXT)).toMatch(/\nsleep 0\n$/);
  });

  it('keeps whatever an error says on one line, between quotes', () => {
    fc.assert(
      fc.property(fc.string(), (message) => {
        const lines = GRUB_CONFIG.error(message, CONTEXT).split('\n');
        expect(lines).toHaveLength(2);
        const [line = ''] = lines;
        // Between the quotes everything is as it is; a quote of the text is written '\''.
        const words = /^echo '((?:[^']|'\\'')*)'$/.exec(line);
        expect(words).not.toBeNull();
        expect(line).toMatch(/^[ -~]*$/);
      }),
      { seed: SEED },
    );
  });
});
