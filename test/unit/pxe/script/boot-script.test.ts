// biome-ignore-all lint/suspicious/noTemplateCurlyInString: iPXE's variables, not ours
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import type { MachineBootPlan } from '../../../../src/pxe/boot-catalog.ts';
import type { PxeEvent } from '../../../../src/pxe/events.ts';
import { IPXE_SCRIPT } from '../../../../src/pxe/script/boot-script.ts';
import { screenText } from '../../../../src/pxe/script/screen-text.ts';
import { bootScriptFor } from '../../../../src/pxe/script/script-service.ts';
import { EMPTY_BOOT_CATALOG } from '../../../support/empty-boot-catalog.ts';
import { SEED } from '../../../support/seed.ts';
import { CONTEXT, PLAN } from './boot-plan.ts';

/** For an image with hooks of ours, beside what any other image understands. */
const DISK =
  'rootcast.server=192.168.50.1:10810 rootcast.export=machine/web-1 rootcast.url=http://192.168.50.1:8069/boot';

function commandLine(plan: Partial<MachineBootPlan>): string {
  const line = IPXE_SCRIPT.boot({ ...PLAN, ...plan }, CONTEXT)
    .split('\n')
    .find((text) => text.startsWith('kernel '));
  return line?.replace(/^kernel --name kernel \S+ /, '').replace(' || goto failed', '') ?? '';
}

describe('the script of a machine', () => {
  it('loads kernel and initrd, boots, and tries again when it cannot', () => {
    expect(IPXE_SCRIPT.boot(PLAN, CONTEXT)).toBe(`#!ipxe
echo Rootcast: web-1 boots debian, version 3
imgfree
kernel --name kernel http://192.168.50.1:8069/boot/52-54-00-12-34-56/layer-7/kernel initrd=initrd.img root=/dev/nbd0p1 nbdroot=192.168.50.1:10810/machine/web-1 rootfstype=ext4 ${DISK} ip=dhcp BOOTIF=01-52-54-00-12-34-56 console=ttyS0 quiet panic=10 || goto failed
initrd --name initrd.img http://192.168.50.1:8069/boot/52-54-00-12-34-56/layer-7/initrd || goto failed
boot || goto failed
:failed
echo Rootcast: the boot failed, see the message above
echo Rootcast: trying again in 10 seconds
sleep 10
chain --replace --autofree http://192.168.50.1:8069/boot/52-54-00-12-34-56.ipxe || goto failed
`);
  });

  it.each<[string, Partial<MachineBootPlan>, string]>([
    [
      'a whole disk',
      { rootPartition: '', rootFilesystem: undefined },
      'root=/dev/nbd0 nbdroot=192.168.50.1:10810/machine/web-1',
    ],
    [
      'dracut and a whole disk',
      { initramfs: 'dracut', rootPartition: '' },
      'root=nbd:192.168.50.1:10810:ext4::-N,machine/web-1 rd.neednet=1',
    ],
    [
      'dracut and a partition',
      { initramfs: 'dracut', rootPartition: 'p2', rootFilesystem: undefined },
      'root=/dev/nbd0p2 netroot=nbd:192.168.50.1:10810:::-N,machine/web-1 rd.neednet=1',
    ],
  ])('spells root for %s', (_what, plan, expected) => {
    expect(commandLine(plan)).toBe(
      `initrd=initrd.img ${expected} ${DISK} ip=dhcp BOOTIF=01-52-54-00-12-34-56 console=ttyS0 quiet panic=10`,
    );
  });

  it('without an initrd loads none', () => {
    expect(IPXE_SCRIPT.boot({ ...PLAN, hasInitrd: false }, CONTEXT)).not.toContain('initrd');
  });

  it.each<[string, Partial<MachineBootPlan>]>([
    ['a machine name with a line end', { machine: 'a\nshell' }],
    ['a machine name with a space', { machine: 'a init=/bin/sh' }],
    ['a machine name with a variable', { machine: '${net0/mac}' }],
    ['a machine name with a slash', { machine: 'a/../b' }],
    ['a machine name with a comma, which nbd-client splits at', { machine: 'a,b' }],
    ['no machine name', { machine: '' }],
    ['a layer with a path', { layerId: '../x' }],
    ['a partition with more', { rootPartition: 'p1 init=/bin/sh' }],
    ['a file system with more', { rootFilesystem: 'ext4 rw' }],
    ['an argument with a line end', { kernelArguments: ['a\nshell'] }],
    ['an argument with a tab', { kernelArguments: ['a\tb'] }],
    ['an argument with a variable', { kernelArguments: ['x=${version}'] }],
    ['an argument that ends the command', { kernelArguments: ['quiet || shell'] }],
    ['an argument that ends the command otherwise', { kernelArguments: ['a ; shell'] }],
    ['an argument that starts a comment', { kernelArguments: ['#'] }],
    ['an argument that is not ASCII', { kernelArguments: ['é'] }],
  ])('refuses %s', (_what, plan) => {
    expect(() => IPXE_SCRIPT.boot({ ...PLAN, ...plan }, CONTEXT)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    );
  });

  it('refuses a command line longer than the kernel’s', () => {
    const kernelArguments = [`x=${'y'.repeat(2000)}`];
    expect(() => IPXE_SCRIPT.boot({ ...PLAN, kernelArguments }, CONTEXT)).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
    );
  });

  it('has the same lines whatever the names are', () => {
    const texts = fc.string({ maxLength: 60 });
    fc.assert(
      fc.property(
        texts,
        texts,
        texts,
        fc.array(texts),
        (machine, vdisk, version, kernelArguments) => {
          let script: string;
          try {
            script = IPXE_SCRIPT.boot(
              { ...PLAN, machine, vdisk, version, kernelArguments },
              CONTEXT,
            );
          } catch (error) {
            expect(error).toBeInstanceOf(Fault);
            return;
          }
          const commands = script.split('\n').map((line) => line.split(' ')[0]);
          expect(commands).toEqual([
            '#!ipxe',
            'echo',
            'imgfree',
            'kernel',
            'initrd',
            'boot',
            ':failed',
            'echo',
            'echo',
            'sleep',
            'chain',
            '',
          ]);
          expect(script).not.toContain('$');
        },
      ),
      { seed: SEED, numRuns: 500 },
    );
  });
});

describe('the other scripts', () => {
  it('boots the local disk by firmware, and says why', () => {
    const script = IPXE_SCRIPT.localDisk('waiting for approval', CONTEXT);
    expect(script.split('\n').slice(0, 5)).toEqual([
      '#!ipxe',
      'echo Rootcast: 52:54:00:12:34:56: waiting for approval',
      'echo Rootcast: booting from the local disk',
      'iseq ${platform} efi && goto efi ||',
      'sanboot --no-describe --drive 0x80 || goto failed',
    ]);
    expect(script.endsWith(':efi\nsleep 3\nexit 1\n')).toBe(true);
  });

  it('puts an error on the screen and comes back', () => {
    expect(IPXE_SCRIPT.error('no such vDisk', CONTEXT)).toBe(`#!ipxe
:failed
echo Rootcast: 52:54:00:12:34:56 cannot boot: no such vDisk
echo Rootcast: trying again in 10 seconds
sleep 10
chain --replace --autofree http://192.168.50.1:8069/boot/52-54-00-12-34-56.ipxe || goto failed
`);
  });

  it('lets a machine that waits ask again by itself, whatever becomes of the server meanwhile', () => {
    const queued = { place: 3, waiting: 7, askAgainSeconds: 2 };
    expect(IPXE_SCRIPT.queued(queued, CONTEXT)).toBe(`#!ipxe
echo Rootcast: other machines boot now, and this one is number 3 of 7 that wait
:wait
sleep 2
chain --replace --autofree http://192.168.50.1:8069/boot/52-54-00-12-34-56.ipxe || goto wait
`);
  });

  it('never lets a message be more than a message', () => {
    expect(screenText('a\nshell ${b} || c && d ; # e\u00e9 \\')).toBe(
      'a shell ?{b} ? c ? d ? ? e? ?',
    );
    expect(screenText('-n x')).toBe('?n x');
    fc.assert(
      fc.property(fc.string({ maxLength: 600, size: 'max' }), (text) => {
        const shown = screenText(text);
        expect(shown).toMatch(/^[ -~]{0,400}$/);
        expect(shown.split(' ').filter((word) => ['||', '&&', ';', '#'].includes(word))).toEqual(
          [],
        );
        expect(shown).not.toMatch(/[$\\]/);
      }),
      { seed: SEED },
    );
  });
});

describe('serving scripts', () => {
  async function served(bootRequested: () => never) {
    const events: PxeEvent[] = [];
    const text = await bootScriptFor(CONTEXT, IPXE_SCRIPT, {
      ...CONTEXT,
      catalog: { ...EMPTY_BOOT_CATALOG, bootRequested },
      report: (event) => events.push(event),
    });
    return { text, events };
  }

  it('shows a Fault to who stands before the machine', async () => {
    const { text, events } = await served(() => {
      throw new Fault('NO_SPACE', 'the data folder is full');
    });
    expect(text).toContain('cannot boot: the data folder is full');
    expect(events).toMatchObject([
      { type: 'script-served', outcome: 'error', message: 'the data folder is full' },
    ]);
  });

  it('keeps the words of a bug for the log', async () => {
    const { text, events } = await served(() => {
      throw new TypeError('secret is undefined');
    });
    expect(text).not.toContain('secret');
    expect(events.map((event) => event.type)).toEqual(['failure', 'script-served']);
  });
});
